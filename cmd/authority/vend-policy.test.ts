import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';

import {
  buildExchangeForm,
  buildPlatformText,
  PERMIT_ALL,
  putPolicy,
  startAuthorityHarness,
  TOKEN_PATH,
  type AuthorityHarness,
  type Replica,
  type TestResponse,
} from './fixtures/authority-harness.ts';
import { waitUntil } from '../../test/kit/retry.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
let replica: Replica;
beforeAll(async () => {
  harness = await startAuthorityHarness();
  const platform = buildPlatformText(harness.sts.port, 'policy: {vend: exception}\n');
  replica = await harness.start(harness.configure({}, platform));
  await replica.waitUntilReady();
});
afterAll(() => harness.close());

const exchange = async (): Promise<TestResponse> =>
  replica.post(TOKEN_PATH, buildExchangeForm(await harness.podToken(), {}));

/** The first response with this status after a change of policy. */
const waitForStatus = (status: number): Promise<TestResponse> =>
  waitUntil(async () => {
    const response = await exchange();
    return response.status === status ? response : undefined;
  });

const inDays = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

it('issues cloud keys under policy.vend: exception only by a dated permit, and reports its end', async () => {
  const { status, body } = await exchange();
  expect([status, body['reason'], body['policies']]).toEqual([403, 'policy_denied', []]);
  expect(body['error_description']).toContain('use delivery: sign');
  const until = inDays(30);
  putPolicy(
    harness.api,
    `@id("old") @until("${until}") @reason("a client that cannot sign") ${PERMIT_ALL}`,
  );
  await waitForStatus(200);
  expect(JSON.stringify(harness.records())).toContain('"all/old"');
  const { text } = await replica.telemetry('/metrics');
  const endsAt = Date.parse(until) / 1000 + 86_400;
  expect(text).toContain(`_policy_until_timestamp_seconds{policy="all/old"} ${endsAt}`);
  putPolicy(
    harness.api,
    `@until("${inDays(-2)}") @reason("a client that cannot sign") ${PERMIT_ALL}`,
  );
  await waitForStatus(403);
});

it('reports no end under policy.vend: free, where none has an effect', async () => {
  const free = await startAuthorityHarness();
  try {
    putPolicy(
      free.api,
      `@until("${inDays(30)}") @reason("a client that cannot sign") ${PERMIT_ALL}`,
    );
    const other = await free.start();
    await other.waitUntilReady();
    const { text } = await other.telemetry('/metrics');
    expect(text).toContain('valetkey_authority_task_policies{state="valid"} 1');
    expect(text).not.toMatch(/^valetkey_authority_policy_until_timestamp_seconds/m);
  } finally {
    await free.close();
  }
});
