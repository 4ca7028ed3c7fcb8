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
import { sendRequest, createPodFolder, startTestSidecar } from './fixtures/test-sidecar.ts';
import { createCredentialSource } from './credential-source.ts';

const ending: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

const tasks = [
  buildTask({ name: 'summarize', default: true }),
  buildTask({ name: 'payroll', exclusive: true }),
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

/** Polls until the condition is met. */
const waitUntil = async (is: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 5));
};

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
