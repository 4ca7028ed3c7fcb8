import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { AUTHORITY_TUNING_ENV as TUNING } from '../../lib/contract/environment.ts';
import { createTestIssuer } from '../../lib/identity/fixtures/test-issuer.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  buildExchangeForm,
  buildLivePod,
  PATHS,
  startAuthorityHarness,
  TOKEN_PATH,
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

describe('the rate limits', () => {
  it('refuse requests of one pod over its burst, with Retry-After', async () => {
    const replica = await start(GENEROUS);
    const answers = await listReasons(replica, { token: await harness.podToken(), times: 40 });
    expect(answers.filter(([reason]) => reason === undefined)).toHaveLength(30);
    expect(answers.filter(([reason]) => reason === 'rate_limited_pod')).toHaveLength(10);
    expect(answers.at(-1)).toEqual(['rate_limited_pod', '1']);
    const record = harness.records().find((one) => one['status_code'] === 'rate_limited_pod');
    expect(record).toMatchObject({ unmapped: { kind: 'run.refused', pod: 'agent' } });
  });

  it('refuse a pod with a wide task sooner, because policy evaluates each pair', async () => {
    const pod = buildLivePod();
    const kinds = ['', 'Acl', 'Tagging', 'Version', 'VersionAcl', 'VersionTagging'];
    const wide = [
      ...kinds.map((kind) => `s3:GetObject${kind}`),
      ...kinds.filter((kind) => kind !== 'Version').map((kind) => `s3:PutObject${kind}`),
      ...kinds.filter((kind) => !kind.endsWith('Acl')).map((kind) => `s3:DeleteObject${kind}`),
      ...['s3:GetObjectRetention', 's3:PutObjectRetention', 's3:GetObjectLegalHold'],
    ].map((action) => `\\"${action}\\"`);
    const text = JSON.stringify(pod).replaceAll('\\"s3:GetObject\\"', wide.join());
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

  it('do not count forged tokens against the pod that they name', async () => {
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

  it('limit the records of forged tokens, and count the omitted ones', async () => {
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

  it('refuse requests from one address before they are read', async () => {
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
