import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import type { CallRun } from '../../calls/call-runs.ts';
import type { Clock } from '../../contract/clock.ts';
import type { UpstreamRules } from '../../contract/upstream.ts';
import { createCallRecords } from './call-record.ts';
import { createGitAuthorization } from './git-calls.ts';

const toLine = (text: string): string =>
  (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
const buildCommand = (index: number): string =>
  toLine(`${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/branch-${index}`);

const clock: Clock = { now: () => 0, monotonic: () => 0 };
const upstream: UpstreamRules = {
  ...{ name: 'forge', url: 'https://forge.example', protocol: 'git', maxBodyBytes: 1_000_000 },
  ...{ query: { deny: [] }, encodedSlash: 'refuse', headers: { pass: [], set: {} } },
  ...{ allowHttp: false, privateAddresses: false },
};
const run: CallRun = {
  ...{ run: 'run-1', task: 'fix', account: '' },
  allow: [{ actions: ['git:push'], resources: ['git://forge/acme/web#refs/heads/*'] }],
  signal: new AbortController().signal,
  signText: () => '',
  ...{ endWithRun: () => undefined, release: () => undefined, expire: () => undefined },
};

/** The body as pieces of one byte, which the stream does not join. */
const buildPush = (body: string): IncomingMessage => {
  const bytes = [...Buffer.from(body)].map((byte) => Buffer.of(byte));
  const source = Readable.from(bytes);
  return Object.assign(new IncomingMessage(new Socket()), {
    ...{ method: 'POST', url: '/acme/web.git/git-receive-pack' },
    iterator: () => source.iterator(),
  });
};

describe('createGitAuthorization', () => {
  it('joins the commands of a push that come byte by byte, and passes all of its bytes', async () => {
    const records = createCallRecords({ clock, createId: () => 'call-1' });
    const body = `${Array.from({ length: 400 }, (_, index) => buildCommand(index)).join('')}0000PACK`;
    const incoming = buildPush(body);
    const exchange = {
      ...{ incoming, outgoing: new ServerResponse(incoming), releases: [] },
      record: records.begin(incoming),
    };
    const { source } = await createGitAuthorization(records)(exchange, {
      headers: new Map([['content-type', 'application/x-git-receive-pack-request']]),
      route: { kind: 'task', name: 'fix', rest: '/acme/web.git/git-receive-pack' },
      ...{ run, upstream },
    });
    const passed: Buffer[] = [];
    for await (const piece of source ?? []) passed.push(piece);
    expect(Buffer.concat(passed).toString()).toBe(body);
    expect(passed.length).toBeLessThan(1000);
  });
});
