import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

import { AUTHORITY_TUNING_ENV as TUNING } from '../../lib/contract/environment.ts';
import { createTestIssuer } from '../../lib/identity/fixtures/test-issuer.ts';
import {
  buildExchangeForm,
  buildLivePod,
  PATHS,
  startAuthorityHarness,
  TOKEN_PATH,
  waitUntil,
  type Replica,
  type AuthorityHarness,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
beforeEach(async () => {
  harness = await startAuthorityHarness();
});
afterEach(() => harness.close());

const start = async (environment: Record<string, string>): Promise<Replica> => {
  const replica = await harness.start(harness.configure(environment));
  await replica.waitUntilReady();
  harness.freezeClock();
  return replica;
};

const listReasons = async (
  replica: Replica,
  { token, times }: { token: string; times: number },
): Promise<readonly (readonly unknown[])[]> => {
  const form = buildExchangeForm(token);
  const answers = await Promise.all(
    Array.from({ length: times }, () => replica.post(TOKEN_PATH, form)),
  );
  return answers.map(({ body, headers }) => [body['reason'], headers['retry-after']]);
};

const GENEROUS = { [TUNING.peerRate]: '10000', [TUNING.podRate]: '1' };

describe('a flood', () => {
  test('of one pod is held back by what it is given for a burst, and told when to come back', async () => {
    const replica = await start(GENEROUS);
    const answers = await listReasons(replica, { token: await harness.podToken(), times: 40 });
    expect(answers.filter(([reason]) => reason === undefined)).toHaveLength(30);
    expect(answers.filter(([reason]) => reason === 'rate_limited_pod')).toHaveLength(10);
    expect(answers.at(-1)).toEqual(['rate_limited_pod', '1']);
    const record = harness.records().find((one) => one['status_code'] === 'rate_limited_pod');
    expect(record).toMatchObject({ unmapped: { kind: 'run.refused', pod: 'agent' } });
  });

  test('of one pod with a wide task is held back sooner: policy judges each of its pairs', async () => {
    const pod = buildLivePod();
    const text = JSON.stringify(pod).replaceAll('s3:GetObject', 's3:*Object*');
    harness.api.put(PATHS.pod, JSON.parse(text) as ReturnType<typeof buildLivePod>);
    const replica = await start(GENEROUS);
    const token = await harness.podToken();
    const firstRefused = async (): Promise<number> => {
      for (let count = 1; ; count += 1) {
        const [answer] = await listReasons(replica, { token, times: 1 });
        if (answer?.[0] === 'rate_limited_pod') return count;
        expect(answer?.[0]).toBeUndefined();
      }
    };
    expect(await firstRefused()).toBeLessThan(20);
  });

  test('of forged tokens that name a pod costs that pod nothing', async () => {
    const replica = await start(GENEROUS);
    const stranger = await createTestIssuer();
    const [, payload = ''] = (await harness.podToken()).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const forged = await stranger.sign(claims);
    const answers = await listReasons(replica, { token: forged, times: 200 });
    expect(new Set(answers.map(([reason]) => reason))).toEqual(new Set(['token_signature']));
    const served = await listReasons(replica, { token: await harness.podToken(), times: 30 });
    expect(served.every(([reason]) => reason === undefined)).toBe(true);
  });

  test('of forged tokens fills no disk: what is left out is counted', async () => {
    const replica = await start(GENEROUS);
    const forged = await (await createTestIssuer()).sign({});
    await listReasons(replica, { token: forged, times: 200 });
    const refusals = () =>
      harness.records().filter(({ unmapped }) => unmapped.kind === 'run.refused');
    expect(refusals()).toHaveLength(20);
    harness.advanceClock(11_000);
    await listReasons(replica, { token: forged, times: 1 });
    expect(refusals().at(-1)?.['message']).toContain('and 180 more like it');
  });

  test('from one address is refused before anything of it is looked at', async () => {
    const replica = await start({ [TUNING.peerRate]: '1' });
    const answers = await listReasons(replica, { token: 'a.b.c', times: 60 });
    const flooded = answers.filter(([reason]) => reason === 'rate_limited_peer');
    expect(flooded).toHaveLength(30);
    expect(flooded[0]).toEqual(['rate_limited_peer', '1']);
    const { text } = await replica.telemetry('/metrics');
    expect(text).toMatch(/requests_total\{route="other",reason="rate_limited_peer"\} \d+/);
    harness.advanceClock(20_000);
    await waitUntil(async () => {
      const [one] = await listReasons(replica, { token: await harness.podToken(), times: 1 });
      return one?.[0] === undefined ? true : undefined;
    });
  });
});
