import { afterEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';

import type { AuthorizedRun } from '../../exchange/authorized-run.ts';
import type { GrantClaims } from '../../grant/claims.ts';
import { ExchangeError } from '../../contract/exchange.ts';
import { buildTask } from '../../runs/fixtures/fake-exchange.ts';
import { buildIssuedReply, startStsStub, buildStsErrorReply } from './fixtures/sts-stub.ts';
import { createStsClient } from './sts-client.ts';
import { ATTEMPT_TIMEOUT_MS as SIDECAR_TIMEOUT_MS } from '../authority/authority-exchange.ts';
import { ATTEMPT_TIMEOUT_MS as STS_TIMEOUT_MS } from './signed-client.ts';
import {
  AUTHORITY_RETRY_BUDGET_MS,
  createOwnRoleAssumption,
  createRoleAssumption,
  type RoleAssumptionDeps,
} from './role-assumption.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const authorizedRun: AuthorizedRun = {
  run: 'abcdefgh234567abcdefgh234567abcd',
  workload: {
    namespace: 'research',
    namespaceLabels: {},
    serviceAccount: 'agent',
    pod: { name: 'agent-7d9f', uid: 'uid', node: 'node', ips: ['10.20.0.7', 'fd00::7'] },
    admitted: { consumers: ['agent'], tasks: [] },
    templateHash: '',
    exempted: { exemptions: [], warned: [] },
    tokenExpiresAt: 0,
  },
  consumer: 'agent',
  task: buildTask(),
  params: {},
};

const setUpAssumption = async (
  reply: Parameters<typeof startStsStub>[0],
  overrides: Partial<RoleAssumptionDeps> = {},
) => {
  const stub = await startStsStub(reply);
  closing.push(stub.close);
  const signed: GrantClaims[] = [];
  let refreshed = 0;
  const parts: RoleAssumptionDeps = {
    assumeRole: createStsClient({
      region: 'eu-central-1',
      stsEndpoint: `http://127.0.0.1:${stub.port}`,
      allowHttp: true,
    }),
    sign: (claims) => Promise.resolve(`grant.${signed.push(claims)}.signature`),
    refreshKeys: () => Promise.resolve((refreshed += 1)),
    cloud: { dialect: 'aws', sourceRestriction: { mode: 'podIP' } },
    authority: {
      issuer: 'https://issuer.example',
      trustDomain: 'example.org',
      cloudAudience: 'sts.amazonaws.com',
      tagParams: [],
    },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    reportSkew: () => undefined,
    random: () => 0,
    ...overrides,
  };
  return { parts, stub, signed, refreshes: () => refreshed };
};

describe('createRoleAssumption', () => {
  test("assumes the task's role with the grant, the session policy and the session name", async () => {
    const { parts, stub, signed } = await setUpAssumption((form) => buildIssuedReply(form));
    const issued = await createRoleAssumption(parts)(authorizedRun);
    const form = stub.calls[0] ?? new URLSearchParams();
    expect(Object.fromEntries(form)).toMatchObject({
      RoleArn: 'arn:aws:iam::111122223333:role/agent-reports',
      RoleSessionName: 'agent-7d9f@abcdefgh234567abcdefgh234567abcd',
      WebIdentityToken: 'grant.1.signature',
      DurationSeconds: '900',
    });
    expect(form.get('Policy')).toContain('"10.20.0.7/32","fd00::7/128"');
    expect(form.get('Policy')).toContain(new Date(issued.deadline).toISOString().slice(0, 19));
    expect(issued).toMatchObject({
      run: authorizedRun.run,
      credentials: { accessKeyId: 'ASIA1' },
      sessionName: 'agent-7d9f@abcdefgh234567abcdefgh234567abcd',
      policySha256: createHash('sha256')
        .update(form.get('Policy') ?? '')
        .digest('hex'),
    });
    expect(signed).toMatchObject([
      { sub: 'spiffe://example.org/ns/research/sa/agent/task/summarize', jti: authorizedRun.run },
    ]);
  });

  test('signs a new grant for each attempt', async () => {
    const { parts, stub, refreshes } = await setUpAssumption((form, number) =>
      number < 3 ? buildStsErrorReply(500, 'InternalFailure') : buildIssuedReply(form),
    );
    await createRoleAssumption(parts)(authorizedRun);
    expect(stub.calls.map((form) => form.get('WebIdentityToken'))).toEqual([
      'grant.1.signature',
      'grant.2.signature',
      'grant.3.signature',
    ]);
    expect(refreshes()).toBe(0);
  });

  test('reads the signing keys again if the cloud does not know the key', async () => {
    const { parts, refreshes } = await setUpAssumption((form, number) =>
      number === 1 ? buildStsErrorReply(400, 'InvalidIdentityToken') : buildIssuedReply(form),
    );
    await createRoleAssumption(parts)(authorizedRun);
    expect(refreshes()).toBe(1);
  });

  test('continues with its current keys if they cannot be read again', async () => {
    const { parts, stub } = await setUpAssumption(
      (form, number) =>
        number === 1 ? buildStsErrorReply(400, 'InvalidIdentityToken') : buildIssuedReply(form),
      { refreshKeys: () => Promise.reject(new Error('down')) },
    );
    await createRoleAssumption(parts)(authorizedRun);
    expect(stub.calls).toHaveLength(2);
  });

  test('is unavailable, not refused, if the cloud does not accept the grant', async () => {
    const { parts } = await setUpAssumption(() => buildStsErrorReply(400, 'InvalidIdentityToken'));
    await expect(createRoleAssumption(parts)(authorizedRun)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'grant_not_accepted',
      message: expect.stringContaining('InvalidIdentityToken'),
    });
  });

  test('retries once if a private cloud denies without a reason', async () => {
    const { parts, stub, refreshes } = await setUpAssumption(
      (form, number) =>
        number === 1 ? buildStsErrorReply(403, 'AccessDenied') : buildIssuedReply(form),
      { cloud: { dialect: 's3', sourceRestriction: { mode: 'none' } } },
    );
    await createRoleAssumption(parts)(authorizedRun);
    expect(refreshes()).toBe(1);
    expect(stub.calls).toHaveLength(2);
  });

  test('is refused after a private cloud denied twice', async () => {
    const { parts, stub } = await setUpAssumption(() => buildStsErrorReply(403, 'AccessDenied'), {
      cloud: { dialect: 's3', sourceRestriction: { mode: 'none' } },
    });
    await expect(createRoleAssumption(parts)(authorizedRun)).rejects.toMatchObject({
      kind: 'refused',
      code: 'AccessDenied',
    });
    expect(stub.calls).toHaveLength(2);
  });

  test('is unavailable, not refused, if no time is left to ask a private cloud again', async () => {
    let elapsed = 0;
    const { parts, stub } = await setUpAssumption(
      () => {
        elapsed += 3_600;
        return buildStsErrorReply(403, 'AccessDenied');
      },
      {
        cloud: { dialect: 's3', sourceRestriction: { mode: 'none' } },
        clock: { now: () => Date.now(), monotonic: () => elapsed },
      },
    );
    await expect(createRoleAssumption(parts)(authorizedRun)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'grant_not_accepted',
    });
    expect(stub.calls).toHaveLength(1);
  });

  test('starts no call that the sidecar would not wait for', async () => {
    let elapsed = 0;
    const startedAt: number[] = [];
    const { parts } = await setUpAssumption(
      () => {
        startedAt.push(elapsed);
        return buildStsErrorReply(400, 'Throttling');
      },
      {
        clock: { now: () => Date.now(), monotonic: () => elapsed },
        random: () => 1,
        pause: (ms) => Promise.resolve(void (elapsed += ms)),
      },
    );
    await expect(createRoleAssumption(parts)(authorizedRun)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'Throttling',
    });
    expect(startedAt).toEqual([0, 200, 600, 1_400, 3_000]);
    const lastAnswerMs = AUTHORITY_RETRY_BUDGET_MS + STS_TIMEOUT_MS;
    expect(lastAnswerMs).toBeLessThan(SIDECAR_TIMEOUT_MS);
  });

  test('retries a conflict with another exchange (409)', async () => {
    // Ceph RGW: two exchanges at once by a workload that it has not seen before.
    const { parts, stub, refreshes } = await setUpAssumption((form, number) =>
      number === 1 ? buildStsErrorReply(409, 'BucketAlreadyExists') : buildIssuedReply(form),
    );
    await createRoleAssumption(parts)(authorizedRun);
    expect(stub.calls).toHaveLength(2);
    expect(refreshes()).toBe(0);
  });

  test.each(['BucketAlreadyExists', 'SomeOtherConflict'])(
    'is unavailable, not refused, while the cloud reports a conflict: 409 %s',
    async (code) => {
      let at = 0;
      const { parts } = await setUpAssumption(() => buildStsErrorReply(409, code), {
        clock: { now: () => Date.now(), monotonic: () => (at += 4_000) },
        pause: () => Promise.resolve(),
      });
      await expect(createRoleAssumption(parts)(authorizedRun)).rejects.toMatchObject({
        kind: 'unavailable',
        code,
      });
    },
  );

  test('is refused if the trust policy denies it', async () => {
    const { parts } = await setUpAssumption(() => buildStsErrorReply(403, 'AccessDenied'));
    await expect(createRoleAssumption(parts)(authorizedRun)).rejects.toMatchObject({
      kind: 'refused',
      code: 'AccessDenied',
    });
  });

  test('sends nothing without signing keys', async () => {
    const stale = new ExchangeError('unavailable', 'signing_keys_stale', 'stale');
    const { parts, stub } = await setUpAssumption((form) => buildIssuedReply(form), {
      sign: () => Promise.reject(stale),
    });
    await expect(createRoleAssumption(parts)(authorizedRun)).rejects.toBe(stale);
    expect(stub.calls).toHaveLength(0);
  });
});

describe('createOwnRoleAssumption', () => {
  test('assumes the role as the authority, without a session policy', async () => {
    const { parts, stub, signed } = await setUpAssumption((form) => buildIssuedReply(form));
    const role = 'arn:aws:iam::111122223333:role/revoker';
    const { keys, expiresAt } = await createOwnRoleAssumption(parts)({ name: 'revoker', role });
    expect(keys.accessKeyId).toBe('ASIA1');
    expect(Math.abs(expiresAt - Date.now() - 900_000)).toBeLessThan(2000);
    expect(Object.fromEntries(stub.calls[0] ?? [])).toMatchObject({
      RoleArn: role,
      RoleSessionName: 'authority-revoker',
    });
    expect(stub.calls[0]?.has('Policy')).toBe(false);
    expect(signed[0]?.sub).toBe('spiffe://example.org/authority');
  });
});
