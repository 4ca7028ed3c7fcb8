import { afterEach, describe, expect, test } from '@jest/globals';

import { createConnection } from './connection.ts';
import {
  buildRefusedReply,
  startFakeAuthority,
  type FakeReply,
} from './fixtures/fake-authority.ts';
import { createEndReportSender } from './run-reports.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const withAuthority = async (reply: FakeReply) => {
  const authority = await startFakeAuthority(() => reply);
  closing.push(authority.stop);
  const reportEnd = createEndReportSender(createConnection(authority), () => 'pod.token');
  return { authority, going: reportEnd({ run: 'run-1', end: 'completed' }) };
};

describe('createEndReportSender', () => {
  test("sends the run and the pod's token (RFC 7009)", async () => {
    const { authority, going } = await withAuthority({ status: 200, body: '' });
    await going;
    expect(authority.forms).toEqual([
      {
        path: '/v1/revoke',
        fields: { token: 'run-1', subject_token: 'pod.token', reason: 'completed' },
      },
    ]);
  });

  test('returns the release of a run whose secret has to be revoked', async () => {
    const authority = await startFakeAuthority(() => ({ status: 200, body: '' }));
    closing.push(authority.stop);
    const reportEnd = createEndReportSender(createConnection(authority), () => 'pod.token');
    await reportEnd({ run: 'run-1', end: 'expired', release: 'model-api.c2VhbA' });
    expect(authority.forms[0]?.fields).toEqual({
      ...{ token: 'run-1', subject_token: 'pod.token', reason: 'expired' },
      release: 'model-api.c2VhbA',
    });
  });

  test.each([
    ['refused', buildRefusedReply(403, 'run_not_owned'), 'run_not_owned'],
    ['unavailable', buildRefusedReply(503, 'draining'), 'draining'],
    ['unavailable', 'cut', 'authority_unreachable'],
  ] as const)('may be %s', async (kind, reply, code) => {
    const { going } = await withAuthority(reply);
    await expect(going).rejects.toMatchObject({ kind, code });
  });
});
