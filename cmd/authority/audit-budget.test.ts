import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';

import { AUTHORITY_TUNING_ENV as TUNING } from '../../lib/contract/environment.ts';
import {
  buildExchangeForm,
  RECORDS_PATH,
  startAuthorityHarness,
  TOKEN_PATH,
  type AuthorityHarness,
} from './fixtures/authority-harness.ts';

jest.setTimeout(120_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const HEAD = JSON.stringify({
  ...{ from: 0, to: 0, hash: 'ab'.repeat(32), startedAt: 1, endedAt: 1, bytesIn: 0, bytesOut: 0 },
  counts: { allowed: 1, refused: 0, failed: 0, cut: 0 },
  ...{ refusals: [], used: [], omitted: { refusals: 0, used: 0 } },
});

const MAX_REQUESTS = 5_000;

it('the authority refuses only the namespace that is over its budget, and records it once', async () => {
  const rates = [TUNING.peerRate, TUNING.podRate, TUNING.serviceAccountRate, TUNING.namespaceRate];
  const replica = await harness.start(
    harness.configure({
      ...Object.fromEntries(rates.map((name) => [name, '100000'])),
      [TUNING.namespaceAuditMebibytes]: '1',
    }),
  );
  await replica.waitUntilReady();
  const token = await harness.podToken();
  const exchange = (podToken = token) => replica.post(TOKEN_PATH, buildExchangeForm(podToken));
  let answer = await exchange();
  for (let count = 0; answer.status === 200 && count < MAX_REQUESTS; count += 1) {
    answer = await exchange();
  }
  expect([answer.status, answer.body['reason']]).toEqual([429, 'rate_limited_audit']);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  await exchange();
  const report = new URLSearchParams({ run: 'x', subject_token: token, calls: HEAD }).toString();
  expect((await replica.post(RECORDS_PATH, report)).body['reason']).toBe('rate_limited_audit');
  const other = await harness.podToken({
    sub: 'system:serviceaccount:other:agent',
    'kubernetes.io': {
      namespace: 'other',
      pod: { name: 'agent', uid: 'other-pod' },
      serviceaccount: { name: 'agent', uid: 'other-account' },
    },
  });
  expect((await exchange(other)).body['reason']).toBe('pod_not_found');
  await replica.authority.drain();
  const refused = harness.records().filter(({ unmapped }) => unmapped.kind === 'run.refused');
  const selectRefused = (code: string) => refused.filter((line) => line['status_code'] === code);
  expect(selectRefused('pod_not_found')).toMatchObject([{ unmapped: { namespace: 'other' } }]);
  // There are two only if a minute ended in between.
  const counted = selectRefused('rate_limited_audit');
  expect(new Set(counted.map(({ unmapped }) => unmapped['namespace']))).toEqual(new Set(['live']));
  expect(counted.reduce((sum, line) => sum + Number(line['count']), 0)).toBe(3);
  expect(counted.filter(({ unmapped }) => unmapped['pod'] !== undefined)).toEqual([]);
});
