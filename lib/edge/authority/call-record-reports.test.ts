import { afterEach, describe, expect, it } from '@jest/globals';

import type { CallReport } from '../../calls/journal.ts';
import { createCallRecordSender } from './run-reports.ts';
import { createConnection } from './connection.ts';
import {
  buildRefusedReply,
  startFakeAuthority,
  type FakeReply,
} from './fixtures/fake-authority.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const report: CallReport = {
  run: 'run-1',
  calls: {
    ...{ from: 0, to: 1, hash: 'ab'.repeat(32), startedAt: 1, endedAt: 2 },
    counts: { allowed: 2, refused: 0, failed: 0, cut: 0 },
    ...{ bytesIn: 1, bytesOut: 2, refusals: [], used: [], omitted: { refusals: 0, used: 0 } },
  },
};

const send = async (reply: FakeReply) => {
  const authority = await startFakeAuthority(() => reply);
  closing.push(authority.stop);
  const reportCalls = createCallRecordSender(createConnection(authority), () => 'pod.token');
  return { authority, going: reportCalls(report) };
};

describe('createCallRecordSender', () => {
  it("sends the head of a run's journal with the pod's token", async () => {
    const { authority, going } = await send({ status: 200, body: '' });
    await going;
    const calls = JSON.stringify(report.calls);
    expect(authority.forms).toEqual([
      { path: '/v1/records', fields: { run: 'run-1', subject_token: 'pod.token', calls } },
    ]);
  });

  it('presents the ticket of the run, if both fit into a form', async () => {
    const authority = await startFakeAuthority(() => ({ status: 200, body: '' }));
    closing.push(authority.stop);
    const reportCalls = createCallRecordSender(createConnection(authority), () => 'pod.token');
    const used = [{ action: 's3:GetObject', resource: '\u4e2d'.repeat(4_000) }];
    await reportCalls({ ...report, ticket: 'vk1.claims.hmac' });
    await reportCalls({
      run: 'run-1',
      calls: { ...report.calls, used },
      ticket: 't'.repeat(16_000),
    });
    expect(authority.forms.map(({ fields }) => fields['ticket'])).toEqual([
      ...['vk1.claims.hmac', undefined],
    ]);
  });

  it.each([
    ['refused', buildRefusedReply(403, 'run_not_owned'), 'run_not_owned'],
    ['unavailable', buildRefusedReply(429, 'rate_limited_audit'), 'rate_limited_audit'],
    ['unavailable', 'cut', 'authority_unreachable'],
  ] as const)('reports that the authority is %s', async (kind, reply, code) => {
    const { going } = await send(reply);
    await expect(going).rejects.toMatchObject({ kind, code });
  });
});
