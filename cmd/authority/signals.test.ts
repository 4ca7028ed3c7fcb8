import { randomUUID } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { SIGNAL_TYPE, SIGNALS_PATH, TOKEN_PATH } from '../../lib/contract/authority-api.ts';
import {
  createTestIssuer,
  forgeToken,
  type TestIssuer,
} from '../../lib/identity/fixtures/test-issuer.ts';
import { createApiChecker } from '../../test/kit/api-checks.ts';
import { startHttpsServer, type HttpsServer } from '../../test/kit/https-server.ts';
import { AUTHORITY_API } from './api-description.ts';
import {
  buildExchangeForm,
  buildPlatformText,
  PATHS,
  startAuthorityHarness,
  type AuthorityHarness,
  type Replica,
} from './fixtures/authority-harness.ts';
import { waitUntil } from '../../test/kit/retry.ts';

jest.setTimeout(60_000);

const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const COMPROMISE = 'https://schemas.openid.net/secevent/risc/event-type/credential-compromise';
const RUN = 'abcdefghijklmnop2345672345672345';
const TASK = 'spiffe://prod.example/ns/live/sa/agent/task/summarize';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/valetkey/leases';
const checker = createApiChecker(AUTHORITY_API);

let harness: AuthorityHarness;
let transmitter: TestIssuer;
let server: HttpsServer;
let replica: Replica;

beforeEach(async () => {
  transmitter = await createTestIssuer({ alg: 'ES256' });
  server = await startHttpsServer(
    () => (_, response) => response.end(JSON.stringify(transmitter.jwks)),
  );
  harness = await startAuthorityHarness();
  const listed = {
    ...{ issuer: server.origin, jwksUri: `${server.origin}/keys`, audience: 'valetkey' },
    caBundle: server.caBundle,
  };
  const more = `  signals: {transmitters: [${JSON.stringify(listed)}]}\n`;
  replica = await harness.start(harness.configure({}, buildPlatformText(harness.sts.port, more)));
  await replica.waitUntilReady();
});
afterEach(async () => {
  await harness.close();
  await server.close();
});

const buildClaims = (members: object = {}) => ({
  ...{ iss: server.origin, aud: 'valetkey', jti: randomUUID() },
  iat: Math.floor(Date.now() / 1000),
  sub_id: { format: 'opaque', id: RUN },
  events: { [SESSION_REVOKED]: { event_timestamp: 1 } },
  ...members,
});

const sign = (members: object = {}, header: object = { typ: 'secevent+jwt' }): Promise<string> =>
  transmitter.sign(buildClaims(members), header);

const push = async (token: string, type = SIGNAL_TYPE) => {
  const answer = await replica.post(SIGNALS_PATH, token, { 'Content-Type': type });
  const { status, body, headers } = answer;
  const route = { method: 'post', path: SIGNALS_PATH } as const;
  if (status !== 202) expect(checker.checkResponse(route, { status, body })).toEqual([]);
  return { status, body, headers, err: body['err'] };
};

type Stored = { metadata: { name: string }; spec: Record<string, unknown> };

/** As the API server stores them: created by the authority. */
const listRevocations = (): readonly Stored[] =>
  harness.api
    .all()
    .filter(({ path }) => path.startsWith(`${PATHS.revocations}/`))
    .map(({ object }) => object as unknown as Stored);

const readMetrics = async (): Promise<string> => (await replica.telemetry('/metrics')).text;

describe('a signal that a transmitter pushes', () => {
  it.each([
    ['a run', RUN, { run: RUN }],
    ['a session', `agent-7f@${RUN}`, { run: RUN }],
    ['a task', TASK, { task: { namespace: 'live', serviceAccount: 'agent', task: 'summarize' } }],
  ])('revokes %s', async (_what, id, target) => {
    const { status, body, headers } = await push(await sign({ sub_id: { format: 'opaque', id } }));
    expect({ status, body }).toEqual({ status: 202, body: {} });
    expect(headers['content-length']).toBe('0');
    const [revocation, ...others] = listRevocations();
    expect(others).toEqual([]);
    expect(revocation?.metadata.name).toMatch(/^signal-[0-9a-f]{20}$/);
    const { until, ...spec } = revocation?.spec ?? {};
    expect(spec).toEqual({
      ...target,
      reason: `signal session-revoked of ${server.origin}`,
      by: expect.stringContaining('valetkey-authority'),
    });
    expect(typeof until).toBe(id === TASK ? 'string' : 'undefined');
  });

  it('lets a task, but no run, start again after an hour', async () => {
    await push(await sign({ sub_id: { format: 'uri', id: TASK } }));
    await push(await sign());
    const lifted = listRevocations().flatMap(({ spec: { until } }) => until ?? []);
    expect(lifted).toHaveLength(1);
    const hour = Date.parse(lifted[0] as string) - Date.now();
    expect(hour).toBeGreaterThan(3_500_000);
    expect(hour).toBeLessThanOrEqual(3_600_000);
  });

  it('is recorded with a high severity, and counted', async () => {
    await push(await sign({ events: { [COMPROMISE]: {} } }));
    const found = harness.records().find(({ unmapped }) => unmapped.kind === 'signal.received');
    expect(found).toMatchObject({ severity_id: 4, status_code: 'credential-compromise' });
    expect(found?.['message']).toContain(`run ${RUN} revoked by ${server.origin}`);
    expect(await readMetrics()).toContain(
      `valetkey_authority_signals_total{transmitter="${server.origin}",outcome="revoked"} 1`,
    );
  });

  it('stops the runs of the task that it names', async () => {
    const start = async () =>
      (await replica.post(TOKEN_PATH, buildExchangeForm(await harness.podToken()))).body['reason'];
    expect(await start()).toBeUndefined();
    await push(await sign({ sub_id: { format: 'uri', id: TASK } }));
    await waitUntil(async () => ((await start()) === 'revoked' ? true : undefined));
  });

  it('may name its subject in its event, as earlier drafts do', async () => {
    const subject = { format: 'opaque', id: RUN };
    const events = { [SESSION_REVOKED]: { subject }, [COMPROMISE]: { subject } };
    expect((await push(await sign({ sub_id: undefined, events }))).status).toBe(202);
    expect(listRevocations()).toHaveLength(1);
  });

  it('has no effect if it is of another type', async () => {
    const events = { 'https://schemas.openid.net/secevent/ssf/event-type/verification': {} };
    expect((await push(await sign({ sub_id: undefined, events }))).status).toBe(202);
    expect(listRevocations()).toEqual([]);
    expect(harness.records().some(({ unmapped }) => unmapped.kind === 'signal.received')).toBe(
      false,
    );
  });

  it('is accepted once, also after its Revocation was deleted', async () => {
    const token = await sign();
    expect((await push(token)).status).toBe(202);
    for (const { metadata } of listRevocations()) {
      harness.api.remove(`${PATHS.revocations}/${metadata.name}`);
    }
    expect(await push(token)).toMatchObject({ status: 400, err: 'invalid_request' });
    expect(listRevocations()).toEqual([]);
    expect(await readMetrics()).toMatch(/signals_total\{[^}]*outcome="replayed"\} 1/);
  });

  const refusals: readonly (readonly [string, string, () => Promise<string>])[] = [
    ['of another issuer', 'invalid_issuer', () => sign({ iss: 'https://x.example' })],
    ['for another audience', 'invalid_audience', () => sign({ aud: 'shop' })],
    ['of another type of token', 'invalid_request', () => sign({}, { typ: 'JWT' })],
    ['that is two hours old', 'invalid_request', () => sign({ iat: Date.now() / 1000 - 7200 })],
    [
      'that is not signed',
      'invalid_key',
      () => Promise.resolve(forgeToken({ alg: 'none', typ: 'secevent+jwt' }, buildClaims())),
    ],
    [
      'with the signature of another one',
      'authentication_failed',
      async () => {
        const [head, body] = (await sign({ sub_id: { format: 'opaque', id: TASK } })).split('.');
        return [head, body, (await sign()).split('.')[2]].join('.');
      },
    ],
    ['about an email', 'invalid_request', () => sign({ sub_id: { format: 'email', id: 'a@b.c' } })],
    [
      'about another name',
      'invalid_request',
      () => sign({ sub_id: { format: 'opaque', id: 'x' } }),
    ],
    [
      'about a task of another platform',
      'invalid_request',
      () => sign({ sub_id: { format: 'opaque', id: TASK.replace('prod', 'test') } }),
    ],
    [
      'about everything',
      'invalid_request',
      () => sign({ sub_id: { format: 'opaque', id: 'spiffe://prod.example/authority' } }),
    ],
    [
      'about a task whose names Kubernetes refuses',
      'invalid_request',
      () => sign({ sub_id: { format: 'opaque', id: 'spiffe://prod.example/ns/-/sa/./task/-' } }),
    ],
    ['without a subject', 'invalid_request', () => sign({ sub_id: undefined })],
    ['with events that are no mapping', 'invalid_request', () => sign({ events: [] })],
  ];

  it.each(refusals)('is refused if it is one %s: %s', async (_what, err, build) => {
    const answer = await push(await build());
    expect(answer).toMatchObject({ status: 400, err });
    expect(answer.body['description']).toEqual(expect.any(String));
    expect(answer.headers['content-language']).toBe('en');
    expect(listRevocations()).toEqual([]);
  });

  it('is refused as a form, and if it is too large', async () => {
    expect(await push(await sign(), 'application/jwt')).toMatchObject({
      ...{ status: 415, err: 'invalid_request' },
    });
    expect(await push('x'.repeat(65 * 1024))).toMatchObject({
      ...{ status: 413, err: 'invalid_request' },
    });
  });

  it('is limited for each transmitter, so that one cannot fill the cluster', async () => {
    harness.freezeClock();
    const statuses: number[] = [];
    for (let count = 0; count < 21; count += 1) {
      const { status, headers } = await push(await sign());
      statuses.push(status);
      if (status === 429) expect(headers['retry-after']).toBe('1');
    }
    expect(statuses.slice(0, 20)).toEqual(Array(20).fill(202));
    expect(statuses[20]).toBe(429);
    expect(listRevocations()).toHaveLength(20);
  });

  it('is not used up while the API server fails, so that the transmitter repeats it', async () => {
    const token = await sign();
    harness.api.fail(/POST .*revocations/, 500);
    expect(await push(token)).toMatchObject({ status: 503, err: 'unavailable' });
    harness.api.recover();
    expect((await push(token)).status).toBe(202);
    expect(listRevocations()).toHaveLength(1);
  });

  it('is repeated if its use could not be stored: the Revocation stays one', async () => {
    const token = await sign();
    harness.api.fail(new RegExp(`POST ${LEASES}`), 500);
    expect((await push(token)).status).toBe(503);
    harness.api.recover();
    expect((await push(token)).status).toBe(202);
    expect(listRevocations()).toHaveLength(1);
    expect((await push(token)).status).toBe(400);
  });
});
