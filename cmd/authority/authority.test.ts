import { createHmac } from 'node:crypto';
import { request } from 'node:https';
import { createInterface } from 'node:readline/promises';

import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';

import { AUTHORITY_TUNING_ENV } from '../../lib/contract/environment.ts';
import { buildIssuedReply, buildStsErrorReply } from '../../lib/edge/aws/fixtures/sts-stub.ts';
import { forgeToken, createTestIssuer } from '../../lib/identity/fixtures/test-issuer.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import {
  EVENTS_PATH,
  buildExchangeForm,
  HOST,
  buildLivePod,
  OWN_NAME,
  PATHS,
  PERMIT_ALL,
  podUid,
  putPolicy,
  RECORDS_PATH,
  REVOKE_PATH,
  startAuthorityHarness,
  TOKEN_PATH,
  type TestResponse,
  type Replica,
  type AuthorityHarness,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

let harness: AuthorityHarness;
let replica: Replica;
beforeAll(async () => {
  harness = await startAuthorityHarness();
  const generous = Object.fromEntries(
    (['peerRate', 'podRate', 'serviceAccountRate', 'namespaceRate'] as const).map((name) => [
      AUTHORITY_TUNING_ENV[name],
      '10000',
    ]),
  );
  replica = await harness.start(harness.configure(generous));
  await replica.waitUntilReady();
});
afterAll(() => harness.close());

const exchange = async (details: object = {}, token?: string): Promise<TestResponse> =>
  replica.post(TOKEN_PATH, buildExchangeForm(token ?? (await harness.podToken()), details));

const readLastRecord = () => {
  const records = harness.records().filter(({ unmapped }) => unmapped.kind.startsWith('run.'));
  return records.at(-1);
};

describe('a token exchange', () => {
  it('issues credentials to a compliant pod, with a grant that only the cloud receives', async () => {
    const before = harness.sts.calls.length;
    const { status, headers, body } = await exchange({
      task: 'one-customer',
      params: { customer: 'acme' },
      purpose: 'nightly',
    });
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toMatchObject({
      token_type: 'N_A',
      authorization_details: [
        {
          task: 'one-customer',
          consumer: 'agent',
          params: { customer: 'acme' },
          purpose: 'nightly',
        },
      ],
    });
    const call = harness.sts.calls[before];
    const [, claims = ''] = (call?.get('WebIdentityToken') ?? '').split('.');
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: `https://${HOST}/fleet`,
      sub: 'spiffe://prod.example/ns/live/sa/agent/task/one-customer',
      jti: body['run'],
    });
    expect(call?.get('RoleSessionName')).toBe(`agent@${String(body['run'])}`);
    expect(call?.get('Policy')).toContain('acme-data/reports/acme/*');
    expect(JSON.stringify(body)).not.toContain(claims);
  });

  it('records intent and result before the response', async () => {
    const { body } = await exchange();
    const records = harness.records();
    const kinds = records
      .filter((record) => JSON.stringify(record).includes(String(body['run'])))
      .map(({ unmapped }) => unmapped.kind);
    expect(kinds).toEqual(['run.intent', 'run.issued']);
    expect(JSON.stringify(records)).not.toMatch(/secret-1|session-1/);
  });
});

describe('a refusal', () => {
  const refusesToken = async (token: string, reason: string, status = 400): Promise<void> => {
    const answer = await exchange({}, token);
    expect([answer.body['reason'], answer.status]).toEqual([reason, status]);
    expect(readLastRecord()).toMatchObject({ status_code: reason });
    expect(JSON.stringify([answer.body, readLastRecord()])).not.toContain(token.split('.')[2]);
  };

  const seconds = () => Math.floor(Date.now() / 1000);
  const claims: [string, () => object][] = [
    ['token_audience', () => ({ aud: ['sts.amazonaws.com'] })],
    ['token_expired', () => ({ iat: seconds() - 700, nbf: seconds() - 700, exp: seconds() - 100 })],
    ['token_not_yet_valid', () => ({ nbf: seconds() + 300 })],
    ['token_lifetime', () => ({ exp: seconds() + 86_400 })],
    ['token_issuer', () => ({ iss: 'https://other.example' })],
    ['token_claims', () => ({ 'kubernetes.io': { namespace: 'live' } })],
  ];
  it.each(claims)('refuses a token with %s and records it', async (reason, members) => {
    await refusesToken(await harness.podToken(members()), reason);
  });

  it('refuses tokens that the cluster did not sign', async () => {
    const token = await harness.podToken();
    const [head = '', payload = '', signature = ''] = token.split('.');
    const body = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    await refusesToken(`${head}.${payload}.A${signature.slice(1)}B`, 'token_signature');
    await refusesToken(forgeToken({ alg: 'none' }, body, 'unsigned'), 'token_algorithm');
    const hs256 = forgeToken({ alg: 'HS256', kid: 'key-1' }, body).slice(0, -1);
    const secret = JSON.stringify(harness.issuer.publicJwk);
    const mac = createHmac('sha256', secret).update(hs256).digest('base64url');
    await refusesToken(`${hs256}.${mac}`, 'token_algorithm');
    const stranger = await createTestIssuer();
    await refusesToken(await stranger.sign(body), 'token_signature');
  });

  const requests: [string, object, number][] = [
    ['task_unknown', { task: 'other' }, 400],
    ['consumer_not_allowed', { task: 'one-customer', consumer: 'helper' }, 403],
    ['params_invalid', { task: 'one-customer', params: { customer: '../etc' } }, 400],
    ['params_invalid', { params: { customer: 'acme' } }, 400],
    ['details_malformed', { role: 'arn:aws:iam::111122223333:role/admin' }, 400],
  ];
  it.each(requests)('refuses a request with %s and records it', async (reason, details, status) => {
    const answer = await exchange(details);
    expect([answer.body['reason'], answer.status]).toEqual([reason, status]);
    expect(readLastRecord()).toMatchObject({ status_code: reason });
  });

  type Change = (pod: ReturnType<typeof buildLivePod>) => object | undefined;
  const pods: [string, number, Change][] = [
    ['pod_not_found', 403, () => undefined],
    ['pod_replaced', 403, (pod) => ({ ...pod, metadata: { ...pod.metadata, uid: 'another' } })],
    [
      'pod_terminating',
      403,
      (pod) => ({
        ...pod,
        metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
      }),
    ],
    ['pod_address', 403, (pod) => ({ ...pod, status: { phase: 'Running', podIP: '10.9.9.9' } })],
    [
      'pod_noncompliant',
      403,
      (pod) => ({
        ...pod,
        spec: { ...pod.spec, ephemeralContainers: [{ name: 'debug', image: 'busybox' }] },
      }),
    ],
    ['pod_address_unknown', 503, (pod) => ({ ...pod, status: { phase: 'Pending' } })],
  ];
  it.each(pods)('refuses a pod with %s', async (reason, status, change) => {
    const changed = change(buildLivePod());
    if (changed === undefined) harness.api.remove(PATHS.pod);
    else harness.api.put(PATHS.pod, changed as never);
    const answer = await exchange();
    harness.api.put(PATHS.pod, buildLivePod());
    expect([answer.body['reason'], answer.status]).toEqual([reason, status]);
    expect(answer.headers['retry-after']).toBe(status === 503 ? '1' : undefined);
  });

  it('refuses a bound service account, except in a namespace that migrates', async () => {
    const reasonIs = (reason: string | undefined) =>
      waitUntil(async () => ((await exchange()).body['reason'] === reason ? true : undefined));
    const annotations = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/x' };
    harness.api.put(PATHS.serviceAccount, { metadata: { annotations } });
    await reasonIs('pod_noncompliant');
    expect(readLastRecord()).toMatchObject({
      message: expect.stringContaining('ServiceAccount live/agent /metadata/annotations'),
    });
    const labels = { team: 'research', 'valetkey.dev/mode': 'warn' };
    harness.api.put(PATHS.namespace, { metadata: { labels } });
    await reasonIs(undefined);
    expect(harness.records().at(-1)).toMatchObject({
      unmapped: { kind: 'run.issued', warned: ['7'] },
    });
    harness.api.fail(/GET .*\/serviceaccounts\//, 500);
    await reasonIs('kubernetes_unavailable');
    harness.api.recover();
    harness.api.put(PATHS.namespace, { metadata: { labels: { team: 'research' } } });
    harness.api.remove(PATHS.serviceAccount);
    await reasonIs(undefined);
  });

  it('writes an Event on the pod, and the message into the log', async () => {
    harness.api.put(PATHS.pod, buildLivePod());
    await exchange({ task: 'gone' });
    const path = `/api/v1/namespaces/live/events`;
    const found = await waitUntil(() => {
      const event = harness.api.get(`${path}/${harness.api.lastCreated()}`);
      const code = event?.metadata.annotations?.['valetkey.dev/code'];
      return code === 'task_unknown' ? event : undefined;
    });
    expect(found).toMatchObject({ reason: 'RunRefused', involvedObject: { uid: podUid } });
    const lines = harness.lines.filter(({ message }) => message === 'run refused');
    expect(lines.at(-1)?.fields).toMatchObject({
      reason: 'task_unknown',
      detail: expect.stringContaining('expected one of') as unknown,
    });
  });

  it('has one request ID in the answer, the log, the record and the Event', async () => {
    harness.api.put(PATHS.pod, buildLivePod());
    const requestId = 'f3a1c9d2-5b7e-4c08-9a43-2d1e0f6b8c75';
    const form = buildExchangeForm(await harness.podToken(), { task: 'missing' });
    const { status, headers } = await replica.post(TOKEN_PATH, form, { 'x-request-id': requestId });
    expect([status, headers['x-request-id']]).toEqual([400, requestId]);
    expect(readLastRecord()).toMatchObject({
      status_code: 'task_unknown',
      metadata: { correlation_uid: requestId },
    });
    const lines = harness.lines.filter(({ message }) => message === 'run refused');
    expect(lines.at(-1)?.fields).toMatchObject({ request: requestId });
    const path = `/api/v1/namespaces/live/events`;
    const event = await waitUntil(() => {
      const found = harness.api.get(`${path}/${harness.api.lastCreated()}`);
      return found?.metadata.annotations?.['valetkey.dev/request'] === requestId
        ? found
        : undefined;
    });
    expect(event['message']).toMatch(new RegExp(` \\(request ${requestId}\\)$`));
  });

  it('has an ID of its own for a request without a well-formed one', async () => {
    const form = buildExchangeForm(await harness.podToken(), { task: 'absent' });
    const { headers } = await replica.post(TOKEN_PATH, form, { 'x-request-id': 'a b' });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(readLastRecord()).toMatchObject({
      metadata: { correlation_uid: headers['x-request-id'] },
    });
  });

  const policies: [string, string][] = [
    ['a deny', `${PERMIT_ALL} @id("stop") forbid (principal, action, resource);`],
    [
      'a forbid that errors',
      `${PERMIT_ALL} @id("stop") forbid (principal, action, resource) when { context.params.getTag("none") == "x" };`,
    ],
    ['a policy that is no policy', 'permit (everything);'],
  ];
  it.each(policies)('names the policies that decided: %s', async (_, cedar) => {
    putPolicy(harness.api, cedar);
    const answer = await waitUntil(async () => {
      const one = await exchange();
      return one.status === 200 ? undefined : one;
    });
    putPolicy(harness.api, PERMIT_ALL);
    expect([answer.body['reason'], answer.status]).toEqual(['policy_denied', 403]);
    await waitUntil(async () => ((await exchange()).status === 200 ? true : undefined));
  });

  it('refuses every run if there is no policy', async () => {
    harness.api.remove(`${PATHS.policies}/all`);
    const answer = await waitUntil(async () => {
      const one = await exchange();
      return one.status === 200 ? undefined : one;
    });
    putPolicy(harness.api, PERMIT_ALL);
    expect(answer.body).toMatchObject({ reason: 'policy_denied', policies: [] });
    await waitUntil(async () => ((await exchange()).status === 200 ? true : undefined));
  });

  it('refuses runs that a Revocation names until it is deleted', async () => {
    const path = `${PATHS.revocations}/stop`;
    const spec = { namespace: 'live', reason: 'leak', by: 'eve' };
    harness.api.put(path, {
      metadata: { name: 'stop', uid: 'stop-1', creationTimestamp: new Date().toISOString() },
      spec,
    });
    const answer = await waitUntil(async () => {
      const one = await exchange();
      return one.status === 200 ? undefined : one;
    });
    expect(answer.body).toMatchObject({
      reason: 'revoked',
      error_description: 'Revocation stop: leak',
    });
    harness.api.remove(path);
    await waitUntil(async () => ((await exchange()).status === 200 ? true : undefined));
  });

  it('returns the code of a refusal by the cloud, and 503 for its failures', async () => {
    harness.setStsReply(() => buildStsErrorReply(403, 'AccessDenied'));
    const denied = await exchange();
    harness.setStsReply((form) => buildIssuedReply(form));
    expect(denied.body).toMatchObject({ reason: 'AccessDenied', error: 'access_denied' });
    expect(readLastRecord()).toMatchObject({ status_code: 'AccessDenied' });
  });

  it('returns 503 while the API server does not respond', async () => {
    harness.api.fail(/GET .*\/pods\//, 500);
    const answer = await exchange();
    harness.api.recover();
    expect([answer.body['reason'], answer.status]).toEqual(['kubernetes_unavailable', 503]);
    expect(answer.headers['retry-after']).toBe('1');
  });
});

describe('invalid input', () => {
  const form = 'application/x-www-form-urlencoded';
  const bad: [string, number, () => Promise<TestResponse>][] = [
    ['route_unknown', 404, () => replica.ask('/v1/nothing')],
    ['route_unknown', 404, () => replica.post('/v1/token/', 'a=b')],
    ['method_not_allowed', 405, () => replica.ask(TOKEN_PATH)],
    ['method_not_allowed', 405, () => replica.post('/jwks', '')],
    [
      'content_type_unsupported',
      415,
      () => replica.post(TOKEN_PATH, '{}', { 'Content-Type': 'application/json' }),
    ],
    [
      'content_type_unsupported',
      415,
      () => replica.post(TOKEN_PATH, 'x', { 'Content-Type': `${form}; charset=utf-16` }),
    ],
    [
      'content_type_unsupported',
      415,
      () => replica.post(TOKEN_PATH, 'x', { 'Content-Encoding': 'gzip' }),
    ],
    ['body_too_large', 413, () => replica.post(TOKEN_PATH, `a=${'x'.repeat(64 * 1024)}`)],
    ['request_malformed', 400, () => replica.post(TOKEN_PATH, '')],
    ['request_malformed', 400, () => replica.post(TOKEN_PATH, 'grant_type=a&grant_type=b')],
    ['request_malformed', 400, () => replica.post(REVOKE_PATH, 'token=..&reason=bored')],
    ['request_malformed', 400, () => replica.post(RECORDS_PATH, 'run=run-1&calls={}')],
    ['method_not_allowed', 405, () => replica.ask(RECORDS_PATH)],
    ['request_malformed', 400, () => replica.ask(EVENTS_PATH)],
    ['body_too_large', 413, () => exchange({ params: Array.from({ length: 1_000_000 }, () => 1) })],
  ];
  it.each(bad)('returns %s with status %i and names the error', async (reason, status, send) => {
    const answer = await send();
    expect([answer.body['reason'], answer.status]).toEqual([reason, status]);
    expect(answer.body['error']).toBe('invalid_request');
    expect(String(answer.body['error_description']).length).toBeGreaterThan(10);
  });

  it('returns the allowed method for a wrong one', async () => {
    expect((await replica.ask(TOKEN_PATH)).headers['allow']).toBe('POST');
    expect((await replica.ask('/jwks', { method: 'DELETE' })).headers['allow']).toBe('GET, HEAD');
  });

  it('releases the resources of an incomplete request', async () => {
    const port = replica.authority.ports().https;
    const headers = { 'Content-Type': form, 'Content-Length': 100 };
    const broken = new Promise((resolve) => {
      const call = { host: '127.0.0.1', port, path: TOKEN_PATH, method: 'POST', headers };
      const sent = request({ ...call, agent: replica.agent() });
      sent.on('error', resolve).on('close', resolve);
      sent.write('grant_type=');
      sent.on('socket', (socket) => setTimeout(() => socket.destroy(), 20));
    });
    await broken;
    expect((await exchange()).status).toBe(200);
  });
});

describe('the issuer documents', () => {
  it('contain the signing keys, the active one first, and are cacheable', async () => {
    const { headers, body } = await replica.ask('/jwks');
    expect(headers['cache-control']).toBe('public, max-age=300');
    expect(body['keys']).toMatchObject([{ alg: 'ES256' }, { alg: 'ES256' }]);
    expect(JSON.stringify(body)).not.toContain('"d"');
  });

  it('are also served below the path of the issuer, for an Ingress', async () => {
    for (const path of ['/jwks', '/.well-known/openid-configuration']) {
      const [own, below] = [await replica.ask(path), await replica.ask(`/fleet${path}`)];
      expect(below).toMatchObject({ status: 200, body: own.body });
    }
    expect((await replica.ask('/elsewhere/jwks')).status).toBe(404);
  });

  it('contain the URLs of all endpoints', async () => {
    const openid = await replica.ask('/.well-known/openid-configuration');
    expect(openid.body).toMatchObject({
      issuer: `https://${HOST}/fleet`,
      jwks_uri: `https://${HOST}/fleet/jwks`,
    });
    const oauth = await replica.ask('/.well-known/oauth-authorization-server');
    expect(oauth.body).toMatchObject({ token_endpoint: `https://${HOST}/v1/token` });
  });
});

describe('a request to end a run', () => {
  const endForm = (run: unknown, token: string, reason = 'completed'): string =>
    new URLSearchParams({ token: String(run), subject_token: token, reason }).toString();

  it('ends a run of the own pod and records it', async () => {
    const { body } = await exchange();
    const token = await harness.podToken();
    const answer = await replica.post(REVOKE_PATH, endForm(body['run'], token));
    expect(answer.status).toBe(200);
    expect(readLastRecord()).toMatchObject({
      unmapped: { kind: 'run.ended' },
      status_code: 'completed',
    });
  });

  it.each([
    ['a release that was not sealed for it', 'completed', 'model-api.AAAA'],
    ['a release of another form', 'completed', 'x y'],
    ['an end that needs a release, without one', 'expired', ''],
    ['an end that needs a release, without one', 'discarded', ''],
  ])('refuses %s, and shows nothing of it', async (_what, reason, release) => {
    const { body } = await exchange();
    const form = endForm(body['run'], await harness.podToken(), reason);
    const answer = await replica.post(
      REVOKE_PATH,
      `${form}&release=${encodeURIComponent(release)}`,
    );
    expect([answer.body['reason'], answer.status]).toEqual(['request_malformed', 400]);
    expect(String(answer.body['error_description'])).toMatch(/^release: expected/);
    expect(JSON.stringify(answer.body)).not.toContain('AAAA');
  });

  it('ends a run of a pod that is being deleted', async () => {
    const { body } = await exchange();
    harness.api.remove(PATHS.pod);
    const token = await harness.podToken();
    const answer = await replica.post(REVOKE_PATH, endForm(body['run'], token, 'terminated'));
    harness.api.put(PATHS.pod, buildLivePod());
    expect(answer.status).toBe(200);
  });

  it('refuses to end a run of another pod', async () => {
    const { body } = await exchange();
    const other = {
      'kubernetes.io': {
        namespace: 'live',
        node: { name: 'node-1', uid: 'node-uid' },
        pod: { name: 'other', uid: 'other-uid' },
        serviceaccount: { name: 'agent', uid: 'account-uid' },
      },
    };
    const token = await harness.podToken(other);
    const answer = await replica.post(REVOKE_PATH, endForm(body['run'], token));
    expect([answer.body['reason'], answer.status]).toEqual(['run_not_owned', 403]);
    expect(
      harness.records().findLast(({ unmapped }) => unmapped.kind === 'run.end_refused'),
    ).toMatchObject({
      ...{ status_code: 'run_not_owned', session: { uid: body['run'] } },
      unmapped: { pod: 'other', pod_uid: 'other-uid' },
    });
  });
});

describe('a report of calls', () => {
  const buildHead = (members: object = {}) => ({
    ...{ from: 0, to: 4, hash: 'ab'.repeat(32), startedAt: 1_000, endedAt: 2_000 },
    counts: { allowed: 4, refused: 0, failed: 0, cut: 0 },
    ...{ bytesIn: 10, bytesOut: 20, refusals: [], omitted: { refusals: 0, used: 0 } },
    used: [{ action: 's3:GetObject', resource: 'arn:aws:s3:::acme-data/reports/' }],
    ...members,
  });
  const buildForm = (run: unknown, token: string, head: object = buildHead()): string =>
    new URLSearchParams({
      ...{ run: String(run), subject_token: token },
      calls: JSON.stringify(head),
    }).toString();
  const findRecord = (kind: string) =>
    harness.records().findLast(({ unmapped }) => unmapped.kind === kind);

  it('records the calls of a run of the own pod, and counts the record', async () => {
    const { body } = await exchange();
    const token = await harness.podToken();
    const answer = await replica.post(RECORDS_PATH, buildForm(body['run'], token));
    expect(answer.status).toBe(200);
    expect(findRecord('run.calls')).toMatchObject({
      ...{ class_uid: 3003, severity_id: 1, status_id: 1, session: { uid: body['run'] } },
      ...{ count: 4, start_time: 1_000, end_time: 2_000 },
      unmapped: { pod: 'agent', calls: { from: 0, to: 4, hash: 'ab'.repeat(32), bytes_out: 20 } },
    });
    const { text } = await replica.telemetry('/metrics');
    expect(text).toMatch(/valetkey_authority_call_records_total [1-9]/);
    expect(text).toMatch(/requests_total\{route="records",reason="none"\} [1-9]/);
  });

  it('records refused calls with a higher severity', async () => {
    const { body } = await exchange();
    const head = buildHead({
      counts: { allowed: 1, refused: 3, failed: 0, cut: 0 },
      refusals: [{ code: 'action_outside', count: 3, operation: 's3.PutObject' }],
    });
    await replica.post(RECORDS_PATH, buildForm(body['run'], await harness.podToken(), head));
    expect(findRecord('run.calls')).toMatchObject({
      severity_id: 2,
      unmapped: { calls: { refusals: [{ code: 'action_outside', count: 3 }] } },
    });
  });

  it('refuses the calls of a run of another pod, and records that', async () => {
    const { body } = await exchange();
    const token = await harness.podToken({
      'kubernetes.io': {
        namespace: 'live',
        node: { name: 'node-1', uid: 'node-uid' },
        pod: { name: 'other', uid: 'other-uid' },
        serviceaccount: { name: 'agent', uid: 'account-uid' },
      },
    });
    const answer = await replica.post(RECORDS_PATH, buildForm(body['run'], token));
    expect([answer.body['reason'], answer.status]).toEqual(['run_not_owned', 403]);
    expect(findRecord('run.calls_refused')).toMatchObject({
      ...{ status_code: 'run_not_owned', session: { uid: body['run'] } },
      unmapped: { pod: 'other', pod_uid: 'other-uid' },
    });
  });

  it.each([
    ['an unknown member', { bodies: 'x' }, 'calls.bodies'],
    ['too many refusals', { refusals: Array(21).fill({ code: 'x', count: 1 }) }, 'calls.refusals'],
    ['too many permissions', { used: Array(65).fill({ action: 's3:GetObject' }) }, 'calls.used'],
    ['a range that ends before it begins', { from: 9 }, 'from not above to'],
    ['a hash of another form', { hash: 'ABCD' }, 'calls.hash'],
  ])('refuses a head with %s', async (_, members, expected) => {
    const { body } = await exchange();
    const form = buildForm(body['run'], await harness.podToken(), buildHead(members));
    const answer = await replica.post(RECORDS_PATH, form);
    expect([answer.body['reason'], answer.status]).toEqual(['request_malformed', 400]);
    expect(answer.body['error_description']).toContain(expected);
  });
});

describe('an event stream', () => {
  it('refuses a token that was copied to another pod, and records it', async () => {
    harness.api.put(PATHS.pod, {
      ...buildLivePod(),
      status: { phase: 'Running', podIP: '10.9.9.9' },
    });
    const headers = { Authorization: `Bearer ${await harness.podToken()}` };
    const answer = await replica.ask(EVENTS_PATH, { headers });
    harness.api.put(PATHS.pod, buildLivePod());
    expect([answer.body['reason'], answer.status]).toEqual(['pod_address', 403]);
    const record = harness.records().findLast(({ unmapped }) => unmapped.kind === 'stream.refused');
    expect(record).toMatchObject({ status_code: 'pod_address', unmapped: { pod: 'agent' } });
  });

  it('sends the current revocations and each change', async () => {
    const token = await harness.podToken();
    const port = replica.authority.ports().https;
    const headers = { Authorization: `Bearer ${token}` };
    const call = { host: '127.0.0.1', port, path: EVENTS_PATH, headers, agent: replica.agent() };
    const lines = await new Promise<AsyncIterator<string>>((resolve, reject) => {
      request(call, (input) => resolve(createInterface({ input })[Symbol.asyncIterator]()))
        .on('error', reject)
        .end();
    });
    /** The next line that is no heartbeat: on a slow machine one comes in between. */
    const next = async (): Promise<{ type: string }> => {
      const line = JSON.parse(String((await lines.next()).value)) as { type: string };
      return line.type === 'heartbeat' ? next() : line;
    };
    expect(await next()).toEqual({ type: 'revocations', active: [] });
    expect(await next()).toMatchObject({ type: 'policies', version: expect.any(String) });
    const metadata = { name: 'all', uid: 'all-1', creationTimestamp: new Date().toISOString() };
    const spec = { all: true, reason: 'drill', by: OWN_NAME };
    harness.api.put(`${PATHS.revocations}/all`, { metadata, spec });
    expect(await next()).toMatchObject({ type: 'revocations', active: [{ name: 'all' }] });
    harness.api.remove(`${PATHS.revocations}/all`);
    expect(await next()).toEqual({ type: 'revocations', active: [] });
  });

  it('is refused to a pod that may not start runs', async () => {
    const headers = { Authorization: 'Bearer a.b.c' };
    const answer = await replica.ask(EVENTS_PATH, { headers });
    expect([answer.body['reason'], answer.status]).toEqual(['token_malformed', 400]);
  });
});

describe('telemetry', () => {
  it('reports requests by route and reason, and the last sync of each watch', async () => {
    await exchange();
    await exchange({ task: 'other' });
    const { text } = await replica.telemetry('/metrics');
    expect(text).toMatch(/requests_total\{route="token",reason="none"\} \d+/);
    expect(text).toMatch(/requests_total\{route="token",reason="task_unknown"\} \d+/);
    expect(text).toMatch(/watch_last_sync_timestamp_seconds\{resource="taskpolicies"\} \d/);
    expect(text).toContain('valetkey_authority_certificate_trusted 1');
    expect(text).toContain('valetkey_authority_task_policies{state="valid"} 1');
    for (const resource of ['connections', 'event_streams', 'token_verifications', 'audit_queue'])
      expect(text).toMatch(new RegExp(`capacity_max\\{resource="${resource}"\\} [1-9]`));
  });
});
