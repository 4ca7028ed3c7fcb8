import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, describe, expect, test } from '@jest/globals';

import type { AuthorityAccess, StreamedRevocation } from '../../lib/contract/authority-api.ts';
import { buildRevocation, buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import {
  buildGrantedReply,
  buildRefusedReply,
  startFakeAuthority,
  type FakeReply,
  type PostedForm,
} from '../../lib/edge/authority/fixtures/fake-authority.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { sendRequest, createPodFolder, startTestSidecar } from './fixtures/test-sidecar.ts';
import { createCredentialSource } from './credential-source.ts';

const ending: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

const tasks = [
  buildTask({ name: 'summarize', default: true }),
  buildTask({ name: 'payroll', exclusive: true }),
  buildTask({ name: 'delegated', delegated: 'required' }),
];

const isToken = ({ path }: PostedForm): boolean => path === '/v1/token';

/** Grants every run with a number of its own and accepts every end report. */
const createGrantingReply = () => {
  let runs = 0;
  return (form: PostedForm): FakeReply =>
    isToken(form)
      ? buildGrantedReply(form, { run: `run-${(runs += 1)}` })
      : { status: 200, body: '' };
};

type Reply = Parameters<typeof startFakeAuthority>[0];

const startSidecarWithAuthority = async (
  reply: Reply = createGrantingReply(),
  access: Partial<AuthorityAccess> = {},
  drainMs = 0,
) => {
  const authority = await startFakeAuthority(reply);
  const { endpoint, roots } = authority;
  const pod = createPodFolder(tasks);
  const running = await startTestSidecar({
    tasks,
    pod,
    drainMs,
    environment: {
      VALETKEY_TRUST: 'authority',
      VALETKEY_AUTHORITY: JSON.stringify({ endpoint, roots, ...access }),
      VALETKEY_CLOUD: '',
    },
    createSource: createCredentialSource,
  });
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= running.stop());
  ending.push(async () => {
    await stop();
    await authority.stop();
    running.remove();
  });
  const socketPath = join(running.folder, 'agent', 'socket');
  const get = (path: string) => sendRequest({ socketPath, path });
  const startRun = (name: string, body = '{}') =>
    sendRequest({
      socketPath,
      path: `/v1/tasks/${name}/runs`,
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
  return { ...running, stop, authority, socketPath, get, startRun };
};

const parseJson = (text: string): Record<string, unknown> =>
  JSON.parse(text) as Record<string, unknown>;
const getCode = ({ text }: { text: string }): unknown => parseJson(text)['Code'];

type Running = Awaited<ReturnType<typeof startSidecarWithAuthority>>;

/** The stream after the sidecar received its first line. */
const connectStream = async (
  { authority, telemetryPort }: Running,
  active: readonly StreamedRevocation[] = [],
) => {
  const listener = await authority.listener();
  listener.send({ type: 'revocations', active });
  await waitUntil(async () =>
    (await sendRequest({ port: telemetryPort, path: '/metrics' })).text.includes(
      'authority_connected 1',
    ),
  );
  return listener;
};

describe('delegation', () => {
  const handle = `vkd1.${'h'.repeat(100)}`;
  const allow = [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/a'] }];
  const createReply = () => {
    const grant = createGrantingReply();
    return (form: PostedForm): FakeReply => {
      if (form.path === '/v1/delegations') {
        const body = { handle, expires_at_ms: Date.now() + 60_000 };
        return { status: 200, body: JSON.stringify(body) };
      }
      if (!isToken(form)) return grant(form);
      return form.fields['subject_token'] === handle
        ? buildGrantedReply(form, { run: 'child', allow, ancestors: ['root', 'parent'] })
        : buildGrantedReply(form, {
            ...{ run: 'own', ticket: 'vk1.claims.hmac', gates: [], policy_version: 'v1' },
          });
    };
  };
  const startDelegated = (running: Running) =>
    running.startRun('delegated', JSON.stringify({ delegation: handle }));
  const delegate = ({ socketPath }: Running, run: string, details: object) =>
    sendRequest({
      ...{ socketPath, path: `/v1/runs/${run}/delegations`, method: 'POST' },
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(details),
    });
  const audience = { namespace: 'agents', serviceAccount: 'reader' };

  test('serves a delegated run after its stream follows the runs above, and ends it with them', async () => {
    const running = await startSidecarWithAuthority(createReply());
    const { authority, get } = running;
    expect((await connectStream(running)).follow).toBe('');
    const started = startDelegated(running);
    const listener = await authority.listener();
    expect(listener.follow).toBe('root,parent');
    listener.send({ type: 'revocations', active: [] });
    expect((await started).status).toBe(201);
    expect((await get('/v1/runs/child/credentials')).status).toBe(200);
    const active = [{ name: 'run-root', run: 'root', reason: 'completed' }];
    listener.send({ type: 'revocations', active });
    await waitUntil(async () => (await get('/v1/runs/child/credentials')).status === 403);
    const refused = await get('/v1/runs/child/credentials');
    expect(parseJson(refused.text)['Message']).toContain('run above it');
    await waitUntil(() => authority.forms.some(({ path }) => path === '/v1/revoke'));
    const report = authority.forms.find(({ path }) => path === '/v1/revoke');
    expect(report?.fields).toMatchObject({ token: 'child', reason: 'revoked', delegated: 'true' });
  });

  test('serves no delegated run if a run above it has ended', async () => {
    const running = await startSidecarWithAuthority(createReply());
    await connectStream(running);
    const started = startDelegated(running);
    const listener = await running.authority.listener();
    const active = [{ name: 'run-parent', run: 'parent', reason: 'completed' }];
    listener.send({ type: 'revocations', active });
    expect(getCode(await started)).toBe('run_revoked');
  });

  test('mints a handle with the ticket of the run, and reports that its end ends others', async () => {
    const running = await startSidecarWithAuthority(createReply());
    const { authority, socketPath, startRun } = running;
    await connectStream(running);
    await startRun('summarize');
    const minted = await delegate(running, 'own', { task: 'read', audience });
    expect(minted.status).toBe(201);
    expect(parseJson(minted.text)).toMatchObject({ handle });
    const { fields } = authority.forms.find(({ path }) => path === '/v1/delegations') ?? {};
    expect(fields?.['ticket']).toBe('vk1.claims.hmac');
    expect(parseJson(fields?.['delegation'] ?? '')).toEqual({ task: 'read', audience });
    await sendRequest({ socketPath, path: '/v1/runs/own', method: 'DELETE' });
    await waitUntil(() => authority.forms.some(({ path }) => path === '/v1/revoke'));
    const report = authority.forms.find(({ path }) => path === '/v1/revoke');
    const ended = { token: 'own', reason: 'completed', delegated: 'true' };
    expect(report?.fields).toMatchObject({ ...ended, ticket: 'vk1.claims.hmac' });
  });

  test('refuses what is no delegation, of no run, or of a task that needs one', async () => {
    const running = await startSidecarWithAuthority(createReply());
    await connectStream(running);
    await running.startRun('summarize');
    const codes = [
      await delegate(running, 'own', { task: 'read' }),
      await delegate(running, 'own', { task: 'read', audience, more: true }),
      await delegate(running, 'other', { task: 'read', audience }),
      await running.startRun('delegated'),
      await running.startRun('delegated', JSON.stringify({ delegation: 'a.b.c' })),
      await running.startRun(
        'delegated',
        JSON.stringify({ delegation: handle, userToken: 'a.b.c' }),
      ),
      await running.get('/v1/tasks/delegated/credentials'),
    ].map(getCode);
    expect(codes).toEqual([
      ...['bad_request', 'bad_request', 'run_unknown', 'delegation_required'],
      ...['bad_request', 'bad_request', 'delegation_required'],
    ]);
  });
});

describe('a run that people have to approve', () => {
  const pending = buildRefusedReply(403, 'approval_pending', {
    error_description: 'data-owners must approve: kubectl valetkey approve -n live ar-1',
    approval: {
      namespace: 'live',
      name: 'ar-1',
      groups: ['data-owners'],
      expires_in: 900,
      interval: 7,
    },
  });

  test('answers 403 to an SDK, and 202 with Retry-After to an explicit start', async () => {
    const { get, startRun } = await startSidecarWithAuthority(() => pending);
    const refused = await get('/v1/credentials');
    expect([refused.status, getCode(refused)]).toEqual([403, 'approval_pending']);
    const accepted = await startRun('payroll');
    expect([accepted.status, getCode(accepted)]).toEqual([202, 'approval_pending']);
    expect(accepted.headers['retry-after']).toBe('7');
    expect(accepted.text).toContain('kubectl valetkey approve -n live ar-1');
  });
});

const listReportedEnds = ({ authority }: Running): string[] =>
  authority.forms
    .filter((form) => !isToken(form))
    .map(({ fields }) => `${fields['token']} ${fields['reason']}`);

describe('the sidecar with trust: authority', () => {
  test('serves credentials of the authority in the AWS container format', async () => {
    const { get, authority } = await startSidecarWithAuthority();
    const answer = await get('/v1/credentials');
    expect(answer.status).toBe(200);
    expect(parseJson(answer.text)).toMatchObject({
      AccessKeyId: 'ASIA1',
      SecretAccessKey: 'secret-1',
      Token: 'session-1',
      AccountId: '111122223333',
    });
    expect(authority.forms[0]?.fields['subject_token']).toBe('exchange.token.secret');
  });

  test('forwards a user token to the authority and refuses an invalid one', async () => {
    const { startRun, authority } = await startSidecarWithAuthority();
    expect((await startRun('summarize', '{"userToken":"not a token"}')).status).toBe(400);
    const answer = await startRun('summarize', '{"userToken":"human.token.secret"}');
    expect(answer.status).toBe(201);
    expect(authority.forms.map(({ fields }) => fields['subject_token'])).toEqual([
      'human.token.secret',
    ]);
  });

  test('returns the reason and the policies of a refusal', async () => {
    const { get } = await startSidecarWithAuthority(() =>
      buildRefusedReply(403, 'policy_denied', {
        policies: ['guard/0'],
        error_description: 'not at night',
      }),
    );
    const answer = await get('/v1/credentials');
    expect(answer.status).toBe(403);
    expect(parseJson(answer.text)).toEqual({
      Code: 'policy_denied',
      Message: 'The authority refused: not at night (policies: guard/0)',
    });
  });

  test('returns 503 with Retry-After while the authority is unavailable, and serves its later grant', async () => {
    const grant = createGrantingReply();
    const { get, startRun } = await startSidecarWithAuthority((form, before) =>
      before === 0 ? buildRefusedReply(503, 'starting', {}, { 'Retry-After': '12' }) : grant(form),
    );
    const answer = await get('/v1/credentials');
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '12' } });
    expect(getCode(answer)).toBe('starting');
    expect((await startRun('summarize')).status).toBe(201);
  });
});

describe('a revocation', () => {
  test('of a run ends it within a second and is the reason in later responses', async () => {
    const running = await startSidecarWithAuthority();
    const listener = await connectStream(running);
    const { run } = parseJson((await running.startRun('summarize')).text);
    const path = `/v1/runs/${String(run)}/credentials`;
    expect((await running.get(path)).status).toBe(200);
    const begun = performance.now();
    listener.send({ type: 'revocations', active: [buildRevocation({ run: String(run) })] });
    await waitUntil(async () => (await running.get(path)).status !== 200);
    expect(performance.now() - begun).toBeLessThan(1_000);
    const answer = await running.get(path);
    expect(answer.status).toBe(403);
    expect(getCode(answer)).toBe('run_revoked');
    expect(answer.text).toContain('it misbehaves');
    await running.stop();
    expect(listReportedEnds(running)).toEqual([]);
    expect(running.lines.join('\n')).toContain('"name":"stop-it"');
  });

  test('that arrives during the exchange prevents the run', async () => {
    const grant = createGrantingReply();
    let asked = (): void => undefined;
    const isRequested = new Promise<void>((resolve) => (asked = resolve));
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const running = await startSidecarWithAuthority(async (form) => {
      asked();
      await held;
      return grant(form);
    });
    const listener = await connectStream(running);
    const answer = running.get('/v1/credentials');
    await isRequested;
    listener.send({ type: 'revocations', active: [buildRevocation({ task: 'summarize' })] });
    await waitUntil(() => running.lines.some((line) => line.includes('revocation received')));
    release();
    expect(getCode(await answer)).toBe('run_revoked');
    expect(running.lines.join('\n')).not.toContain('run started');
  });

  test('that existed before the stream connected prevents the run', async () => {
    const running = await startSidecarWithAuthority();
    await connectStream(running, [buildRevocation({ task: 'summarize' })]);
    expect(getCode(await running.get('/v1/credentials'))).toBe('run_revoked');
    const { text } = await sendRequest({ port: running.telemetryPort, path: '/metrics' });
    expect(text).toContain('valetkey_sidecar_revocations_received_total 1');
  });
});

describe('the event stream', () => {
  test('reconnects after a reconnect line with the current token of the file', async () => {
    const running = await startSidecarWithAuthority();
    const first = await connectStream(running);
    writeFileSync(join(running.folder, 'token'), 'next.token.secret');
    first.send({ type: 'reconnect' });
    const second = await running.authority.listener();
    expect(second.authorization).toBe('Bearer next.token.secret');
    await first.closed;
  });

  test('reconnects after an invalid line and logs the failure once', async () => {
    const running = await startSidecarWithAuthority();
    for (let n = 0; n < 3; n += 1) (await running.authority.listener()).write('nonsense\n');
    await running.authority.listener();
    const logged = running.lines.filter((line) => line.includes('authority disconnected'));
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('stream_malformed');
  });

  test('ends all runs when the authority is disconnected longer than the platform allows', async () => {
    const running = await startSidecarWithAuthority(createGrantingReply(), {
      disconnectTimeoutSeconds: 1,
    });
    const { run } = parseJson((await running.startRun('summarize')).text);
    const path = `/v1/runs/${String(run)}/credentials`;
    expect((await running.get(path)).status).toBe(200);
    await waitUntil(async () => (await running.get(path)).status !== 200);
    const answer = await running.get(path);
    expect(answer.status).toBe(403);
    expect(getCode(answer)).toBe('authority_disconnected');
    expect(answer.text).toContain('disconnectTimeout');
  });

  test('does not end runs when it is interrupted', async () => {
    const running = await startSidecarWithAuthority();
    await connectStream(running);
    const held = await running.get('/v1/credentials');
    await running.authority.stop();
    await waitUntil(() => running.lines.some((line) => line.includes('authority disconnected')));
    expect((await running.get('/v1/credentials')).text).toBe(held.text);
    const { text } = await sendRequest({ port: running.telemetryPort, path: '/metrics' });
    expect(text).toContain('valetkey_sidecar_authority_connected 0');
    expect(text).toMatch(/authority_last_contact_timestamp_seconds \d/);
  });
});

describe('run end reports', () => {
  test('report completed and superseded runs to the authority', async () => {
    const running = await startSidecarWithAuthority();
    const { run } = parseJson((await running.startRun('summarize')).text);
    await sendRequest({
      socketPath: running.socketPath,
      method: 'DELETE',
      path: `/v1/runs/${String(run)}`,
    });
    await running.startRun('summarize');
    await running.startRun('payroll');
    await waitUntil(() => listReportedEnds(running).length === 2);
    expect(listReportedEnds(running)).toEqual(['run-1 completed', 'run-2 superseded']);
  });

  test('report all terminated runs before the program exits', async () => {
    const running = await startSidecarWithAuthority(createGrantingReply(), {}, 500);
    for (let n = 0; n < 12; n += 1) await running.startRun('summarize');
    const begun = performance.now();
    await running.stop();
    expect(performance.now() - begun).toBeLessThan(1_500);
    expect(listReportedEnds(running).toSorted()).toEqual(
      Array.from({ length: 12 }, (_, n) => `run-${n + 1} terminated`).toSorted(),
    );
  });

  test('do not delay the exit of the program when the authority does not respond', async () => {
    const grant = createGrantingReply();
    const running = await startSidecarWithAuthority(
      (form) => (isToken(form) ? grant(form) : 'hang'),
      {},
      500,
    );
    await running.get('/v1/credentials');
    const begun = performance.now();
    await running.stop();
    expect(performance.now() - begun).toBeLessThan(1_500);
  });
});

test('writes no secret to logs or metrics', async () => {
  const running = await startSidecarWithAuthority();
  const listener = await connectStream(running);
  await running.get('/v1/credentials');
  await running.startRun('summarize', '{"userToken":"human.token.secret"}');
  listener.send({ type: 'revocations', active: [buildRevocation()] });
  await waitUntil(() => running.lines.some((line) => line.includes('revocation received')));
  const { text } = await sendRequest({ port: running.telemetryPort, path: '/metrics' });
  await running.stop();
  const loopback = (): string => readFileSync(join(running.folder, 'agent', 'token'), 'utf8');
  expect(loopback).toThrow('ENOENT');
  expect(`${running.lines.join('\n')}${text}`).not.toMatch(/token\.secret|secret-1|session-1|ASIA/);
});
