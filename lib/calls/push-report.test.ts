import { describe, expect, it } from '@jest/globals';

import { renderPushReport } from './push-report.ts';

const commands = [
  { ref: 'refs/heads/a', kind: 'update' },
  { ref: 'refs/heads/main', kind: 'delete' },
] as const;
const render = (...capabilities: string[]) =>
  renderPushReport(
    { commands, capabilities: new Set(capabilities) },
    { code: 'ref_outside', reject: ({ ref }) => `no ${ref.slice('refs/heads/'.length)}` },
  );
const REPORT = '000eunpack ok\n0019ng refs/heads/a no a\n001fng refs/heads/main no main\n0000';

describe('renderPushReport', () => {
  it('reports each ref with its reason', () => {
    expect(render('report-status')).toEqual({
      status: 200,
      headers: {
        'x-valetkey-code': 'ref_outside',
        'content-type': 'application/x-git-receive-pack-result',
        'cache-control': 'no-cache',
      },
      body: Buffer.from(REPORT),
    });
    expect(render('report-status-v2')?.body.toString()).toBe(REPORT);
  });

  it('puts the report into the band of data where the client multiplexes', () => {
    const length = (REPORT.length + 5).toString(16).padStart(4, '0');
    expect(render('report-status', 'side-band-64k')?.body.toString()).toBe(
      `${length}\u0001${REPORT}0000`,
    );
  });

  it('splits a long report into packets of at most 65520 bytes', () => {
    const many = Array.from({ length: 500 }, (_, index) => ({
      ref: `refs/heads/${'x'.repeat(200)}${index}`,
      kind: 'update' as const,
    }));
    const rendered = renderPushReport(
      { commands: many, capabilities: new Set(['report-status', 'side-band-64k']) },
      { code: 'ref_outside', reject: () => 'no' },
    );
    const sizes: number[] = [];
    const body = rendered?.body ?? Buffer.alloc(0);
    for (let at = 0; at < body.length;) {
      const size = parseInt(body.toString('latin1', at, at + 4), 16);
      sizes.push(size);
      at += Math.max(size, 4);
    }
    expect(sizes[0]).toBe(65_520);
    expect(sizes.at(-1)).toBe(0);
  });

  it('renders nothing for a client that asked for no report', () => {
    expect(render('side-band-64k', 'quiet')).toBeUndefined();
  });
});
