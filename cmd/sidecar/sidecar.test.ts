import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

import { afterEach, describe, expect, test } from '@jest/globals';

import { ExchangeError, type Exchange, type IssuedRun } from '../../lib/contract/exchange.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { Tracing } from '../../lib/edge/telemetry/tracing.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { listExemplars, PROMETHEUS_ACCEPT } from '../../test/kit/openmetrics.ts';
import { sendRequest, createPodFolder, startTestSidecar } from './fixtures/test-sidecar.ts';

type Running = Awaited<ReturnType<typeof startTestSidecar>>;

const ending: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

const tasks = [
  buildTask({ name: 'summarize', containers: ['agent'], default: true }),
  buildTask({
    name: 'customer',
    containers: ['agent'],
    params: { customer: { pattern: '[a-z]+', maxLength: 40 } },
  }),
  buildTask({ name: 'mail', containers: ['helper'], purpose: 'send the summary' }),
];

let issuedRuns = 0;
const issueRun: Exchange = ({ task: { lifetimeSeconds } }): Promise<IssuedRun> => {
  const number = (issuedRuns += 1);
  return Promise.resolve({
    run: `run-${number}`,
    credentials: {
      accessKeyId: `ASIA${number}`,
      secretAccessKey: 'very-secret',
      sessionToken: 'very-secret-too',
    },
    deadline: Date.now() + lifetimeSeconds * 1000,
    skewMs: 0,
    packedPolicyPercent: 5,
  });
};

const startForTest = async (
  exchange = issueRun,
  given = tasks,
  more: Partial<Parameters<typeof startTestSidecar>[0]> = {},
): Promise<Running> => {
  const running = await startTestSidecar({ tasks: given, exchange, ...more });
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= running.stop());
  ending.push(async () => {
    await stop();
    running.remove();
  });
  return { ...running, stop };
};

const buildSocketRequest = ({ folder }: Running, consumer = 'agent') => ({
  socketPath: join(folder, consumer, 'socket'),
});

const buildLoopbackRequest = ({ folder, loopbackPort }: Running, consumer = 'agent') => ({
  port: loopbackPort,
  headers: { Authorization: readFileSync(join(folder, consumer, 'token'), 'utf8') },
});

const parseJson = (text: string): Record<string, unknown> =>
  JSON.parse(text) as Record<string, unknown>;

describe.each([
  ['the Unix socket', buildSocketRequest],
  ['the loopback listener', buildLoopbackRequest],
])('over %s', (_, over) => {
  test('returns the credentials of the default task in the AWS container format', async () => {
    const running = await startForTest();
    const answer = await sendRequest({ ...over(running), path: '/v1/credentials' });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-store',
    });
    expect(Object.keys(parseJson(answer.text))).toEqual([
      'AccessKeyId',
      'SecretAccessKey',
      'Token',
      'Expiration',
      'AccountId',
    ]);
    const named = await sendRequest({ ...over(running), path: '/v1/tasks/summarize/credentials' });
    expect(named.text).toBe(answer.text);
  });

  test('starts, reads and completes a run, which then no longer exists', async () => {
    const running = await startForTest();
    const to = over(running);
    const started = await sendRequest({
      ...to,
      method: 'POST',
      path: '/v1/tasks/customer/runs',
      headers: { ...('headers' in to ? to.headers : {}), 'Content-Type': 'application/json' },
      body: '{"params":{"customer":"acme"},"purpose":"weekly report"}',
    });
    expect(started.status).toBe(201);
    const { run, task: name, expiresAt, credentials } = parseJson(started.text);
    expect(name).toBe('customer');
    expect((credentials as { Expiration: string }).Expiration).toBe(expiresAt);
    const path = `/v1/runs/${String(run)}`;
    const read = await sendRequest({ ...to, path: `${path}/credentials` });
    expect(parseJson(read.text)).toEqual(credentials);
    expect(await sendRequest({ ...to, method: 'DELETE', path })).toMatchObject({
      status: 204,
      text: '',
    });
    expect(await sendRequest({ ...to, path: `${path}/credentials` })).toMatchObject({
      status: 404,
    });
    expect(await sendRequest({ ...to, method: 'DELETE', path })).toMatchObject({ status: 404 });
  });
});

describe('each consumer', () => {
  test('gets only its own tasks and their params', async () => {
    const running = await startForTest();
    const agent = await sendRequest({ ...buildSocketRequest(running), path: '/v1/tasks' });
    expect(parseJson(agent.text)).toEqual({
      tasks: [
        {
          name: 'summarize',
          delivery: 'vend',
          default: true,
          exclusive: false,
          lifetimeSeconds: 600,
          params: {},
        },
        {
          name: 'customer',
          delivery: 'vend',
          default: false,
          exclusive: false,
          lifetimeSeconds: 600,
          params: { customer: { pattern: '[a-z]+', maxLength: 40 } },
        },
      ],
    });
    const helper = await sendRequest({
      ...buildSocketRequest(running, 'helper'),
      path: '/v1/tasks',
    });
    expect(helper.text).toContain('send the summary');
  });

  test("gets 403 for another consumer's task and 404 for its runs", async () => {
    const running = await startForTest();
    const to = { ...buildSocketRequest(running, 'helper') };
    const other = await sendRequest({ ...to, path: '/v1/tasks/summarize/credentials' });
    expect(other.status).toBe(403);
    expect(parseJson(other.text)['Code']).toBe('task_not_allowed');
    const start_ = { ...to, method: 'POST', path: '/v1/tasks/summarize/runs' };
    expect(await sendRequest(start_)).toMatchObject({ status: 403 });
    const mine = await sendRequest({
      ...buildSocketRequest(running),
      method: 'POST',
      path: '/v1/tasks/summarize/runs',
    });
    const path = `/v1/runs/${String(parseJson(mine.text)['run'])}`;
    expect(await sendRequest({ ...to, path: `${path}/credentials` })).toMatchObject({
      status: 404,
    });
    expect(await sendRequest({ ...to, method: 'DELETE', path })).toMatchObject({ status: 404 });
    expect(
      await sendRequest({ ...buildSocketRequest(running), path: `${path}/credentials` }),
    ).toMatchObject({
      status: 200,
    });
  });

  test('is identified by its token on the loopback listener', async () => {
    const running = await startForTest();
    const helper = await sendRequest({
      ...buildLoopbackRequest(running, 'helper'),
      path: '/v1/tasks',
    });
    expect(helper.text).toContain('mail');
    expect(helper.text).not.toContain('summarize');
  });
});

/** Rows: a request over the socket, its status, its code. */
const refusals: [string, Parameters<typeof sendRequest>[0], number, string][] = [
  ['an unknown path', { path: '/v2/credentials' }, 404, 'route_unknown'],
  ['a query', { path: '/v1/credentials?x=1' }, 404, 'route_unknown'],
  ['an unknown task', { path: '/v1/tasks/nothing/credentials' }, 404, 'task_unknown'],
  ['a path in a name', { path: '/v1/tasks/..%2fsummarize/credentials' }, 404, 'route_unknown'],
  ['an unknown run', { path: '/v1/runs/nothing/credentials' }, 404, 'run_unknown'],
  ['another method', { path: '/v1/credentials', method: 'POST' }, 405, 'method_not_allowed'],
  ['HEAD', { path: '/v1/tasks', method: 'OPTIONS' }, 405, 'method_not_allowed'],
  [
    'credentials of a task with params',
    { path: '/v1/tasks/customer/credentials' },
    409,
    'params_required',
  ],
  ['missing params', buildPost('{}'), 400, 'bad_request'],
  ['a param that does not match', buildPost('{"params":{"customer":"A*"}}'), 400, 'bad_request'],
  ['an unknown key', buildPost('{"params":{"customer":"a"},"role":"x"}'), 400, 'bad_request'],
  [
    'the key __proto__',
    buildPost('{"__proto__":{},"params":{"customer":"a"}}'),
    400,
    'bad_request',
  ],
  ['a body that is not JSON', buildPost('{'), 400, 'bad_request'],
  [
    'a user token without an authority',
    buildPost('{"params":{"customer":"a"},"userToken":"x"}'),
    400,
    'user_token_unsupported',
  ],
  [
    'a form',
    { ...buildPost('a=b'), headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
    415,
    'not_json',
  ],
  [
    'a large body',
    buildPost(JSON.stringify({ purpose: 'x'.repeat(20_000) })),
    413,
    'body_too_large',
  ],
  [
    'a large header',
    { path: '/v1/tasks', headers: { 'X-Large': 'x'.repeat(9_000) } },
    431,
    'headers_too_large',
  ],
];

function buildPost(body: string): Parameters<typeof sendRequest>[0] {
  return {
    path: '/v1/tasks/customer/runs',
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  };
}

describe('a refused request', () => {
  test.each(refusals)('with %s gets its status and code', async (_, request, status, code) => {
    const running = await startForTest();
    const answer = await sendRequest({ ...buildSocketRequest(running), ...request });
    expect([answer.status, parseJson(answer.text)['Code']]).toEqual([status, code]);
    expect(Object.keys(parseJson(answer.text))).toEqual(['Code', 'Message']);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  test('names the allowed method', async () => {
    const running = await startForTest();
    const answer = await sendRequest({
      ...buildSocketRequest(running),
      path: '/v1/tasks',
      method: 'PUT',
    });
    expect(answer.headers['allow']).toBe('GET');
  });

  test('names the tasks if none of several is the default', async () => {
    const several = [buildTask({ name: 'one' }), buildTask({ name: 'two' })];
    const running = await startForTest(issueRun, several);
    const answer = await sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' });
    expect(answer.status).toBe(409);
    expect(answer.text).toMatch(/one, two/);
  });

  test('gets the code and message of STS, which are also logged', async () => {
    const running = await startForTest(() =>
      Promise.reject(new ExchangeError('refused', 'AccessDenied', 'the trust policy says no')),
    );
    const answer = await sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' });
    expect(answer).toMatchObject({ status: 403, headers: { 'retry-after': '5' } });
    expect(parseJson(answer.text)).toEqual({
      Code: 'AccessDenied',
      Message: 'the trust policy says no',
    });
    const line = running.lines.find((each) => each.includes('exchange refused'));
    expect(parseJson(line ?? '')).toMatchObject({
      request: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
    });
  });

  test.each([
    ['900 ms to the SDK for Java', { 'User-Agent': 'aws-sdk-java/2.57.8 os/Linux' }, 850],
    ['1.8 s to any other client', {}, 1800],
  ])('gets 503 during an exchange, after %s', async (_, headers, waitMs) => {
    const waits: number[] = [];
    const schedule: Schedule = (delayMs, action) => {
      waits.push(delayMs);
      setImmediate(action);
      return () => undefined;
    };
    const never: Exchange = () => new Promise(() => undefined);
    const running = await startForTest(never, tasks, { schedule });
    const to = { ...buildSocketRequest(running), headers };
    const found = await sendRequest({ ...to, path: '/v1/credentials' });
    expect(found).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(parseJson(found.text)['Code']).toBe('exchange_in_progress');
    const started = await sendRequest({
      ...to,
      method: 'POST',
      path: '/v1/tasks/summarize/runs',
    });
    expect(parseJson(started.text)['Code']).toBe('exchange_in_progress');
    expect(waits).toEqual([waitMs, waitMs]);
  });

  test('gets during an exchange the reason why its last attempt failed', async () => {
    const schedule: Schedule = (_, action) => {
      setImmediate(action);
      return () => undefined;
    };
    const retrying: Exchange = (_request, _signal, onRetry) => {
      onRetry?.(new ExchangeError('unavailable', 'authority_unreachable', 'no answer'));
      return new Promise(() => undefined);
    };
    const running = await startForTest(retrying, tasks, { schedule });
    const found = await sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' });
    expect(parseJson(found.text)['Message']).toMatch(/authority_unreachable: no answer$/);
  });

  test('gets 429 for a run above the limit', async () => {
    const running = await startForTest();
    const request = {
      ...buildSocketRequest(running),
      method: 'POST',
      path: '/v1/tasks/summarize/runs',
    };
    for (let n = 0; n < 16; n += 1) expect((await sendRequest(request)).status).toBe(201);
    const answer = await sendRequest(request);
    expect(answer.status).toBe(429);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('a consumer that uses all its connections', () => {
  test('blocks only its own socket', async () => {
    const running = await startForTest();
    const open = (): Promise<Socket> =>
      new Promise((resolve) => {
        const socket = connect(buildSocketRequest(running, 'helper').socketPath, () =>
          resolve(socket),
        );
        socket.on('error', () => socket.destroy());
      });
    const hoard = await Promise.all(Array.from({ length: 256 }, open));
    const path = '/v1/tasks';
    await expect(sendRequest({ ...buildSocketRequest(running, 'helper'), path })).rejects.toThrow();
    expect((await sendRequest({ ...buildSocketRequest(running), path })).status).toBe(200);
    for (const socket of hoard) socket.destroy();
  });
});

/** Requests of web pages, proxies and other processes, with the right token unless named. */
const hostile: [string, Record<string, string>, number][] = [
  ['a rebound host name', { Host: 'evil.example' }, 403],
  ['the host name localhost', { Host: 'localhost:9471' }, 403],
  ['another origin', { Origin: 'http://evil.example' }, 403],
  ['the origin null', { Origin: 'null' }, 403],
  ['headers of a browser', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors' }, 403],
  ['a referrer', { Referer: 'http://evil.example/' }, 403],
  ['the header of a proxy', { Via: '1.1 proxy' }, 403],
  ['the client address of a proxy', { 'X-Forwarded-For': '10.0.0.1' }, 403],
  ['the host of a proxy', { 'X-Forwarded-Host': 'x' }, 403],
  ['the standard header of a proxy', { Forwarded: 'for=10.0.0.1' }, 403],
  ['no token', { Authorization: '' }, 401],
  ['another token', { Authorization: 'x'.repeat(43) }, 401],
];

describe('the loopback listener', () => {
  test.each(hostile)('refuses a request with %s', async (_, headers, status) => {
    const running = await startForTest();
    const to = buildLoopbackRequest(running);
    for (const path of ['/v1/credentials', '/nowhere']) {
      const answer = await sendRequest({ ...to, path, headers: { ...to.headers, ...headers } });
      expect(answer.status).toBe(status);
      expect(answer.text).not.toContain('very-secret');
    }
  });

  test('accepts the header that fetch of Node sends', async () => {
    const to = buildLoopbackRequest(await startForTest());
    const headers = { ...to.headers, 'Sec-Fetch-Mode': 'cors' };
    expect((await sendRequest({ ...to, headers, path: '/v1/credentials' })).status).toBe(200);
  });

  test('requires the token for every method', async () => {
    const { loopbackPort: port } = await startForTest();
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS', 'PUT', 'PATCH', 'TRACE']) {
      expect((await sendRequest({ port, method, path: '/v1/credentials' })).status).toBe(401);
    }
  });

  const raw: [string, (host: string, token: string) => string, RegExp][] = [
    [
      'the absolute form',
      (host, token) =>
        `GET http://${host}/v1/credentials HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${token}\r\n\r\n`,
      /^HTTP\/1.1 403/,
    ],
    [
      'two hosts',
      (host, token) =>
        `GET /v1/credentials HTTP/1.1\r\nHost: ${host}\r\nHost: evil\r\nAuthorization: ${token}\r\n\r\n`,
      /^HTTP\/1.1 40[03]/,
    ],
    [
      'two tokens',
      (host, token) =>
        `GET /v1/credentials HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${token}\r\nAuthorization: x\r\n\r\n`,
      /^HTTP\/1.1 40[03]/,
    ],
    [
      'no host',
      (_, token) => `GET /v1/credentials HTTP/1.1\r\nAuthorization: ${token}\r\n\r\n`,
      /^HTTP\/1.1 400/,
    ],
    [
      'HTTP/1.0 without a host',
      (_, token) => `GET /v1/credentials HTTP/1.0\r\nAuthorization: ${token}\r\n\r\n`,
      /^HTTP\/1.1 403/,
    ],
    [
      'CONNECT',
      (host, token) =>
        `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${token}\r\n\r\n`,
      /^HTTP\/1.1 405/,
    ],
    [
      'an upgrade',
      (host, token) =>
        `GET /v1/credentials HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      /^HTTP\/1.1 403/,
    ],
    [
      'two lengths of one body',
      (host, token) =>
        `POST /v1/tasks/customer/runs HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${token}\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1.1 400/,
    ],
    ['text that is not HTTP', () => 'hello\r\n\r\n', /^HTTP\/1.1 400/],
  ];
  test.each(raw)('refuses %s', async (_, render, status) => {
    const running = await startForTest();
    const to = buildLoopbackRequest(running);
    const text = render(`127.0.0.1:${to.port}`, to.headers.Authorization);
    const answer = await sendRaw(to.port, text);
    expect(answer).toMatch(status);
    expect(answer).not.toContain('very-secret');
  });

  test('closes the connection of an incomplete request', async () => {
    const { loopbackPort } = await startForTest();
    const answer = await sendRaw(loopbackPort, 'GET /v1/credentials HTTP/1.1\r\nHost: x\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*"Code":"request_timeout"/);
  }, 15_000);

  test("fails with the setting's name if its port is in use, and publishes no token", async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const { port } = squatter.address() as { port: number };
    const environment = { VALETKEY_LOOPBACK_LISTEN: `127.0.0.1:${port}` };
    const pod = createPodFolder(tasks);
    await expect(startTestSidecar({ tasks, exchange: issueRun, pod, environment })).rejects.toThrow(
      /VALETKEY_LOOPBACK_LISTEN.*EADDRINUSE/,
    );
    expect(readdirSync(join(pod.folder, 'agent'))).toEqual([]);
    squatter.close();
    pod.remove();
  });
});

/** Sends bytes and answers all that comes back until the other side closes or has answered. */
const sendRaw = (port: number, text: string): Promise<string> =>
  new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (answer.includes('\r\n\r\n')) socket.end();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(answer));
  });

describe("the consumers' directories", () => {
  test('contain a socket for every user and a token that is new at each start', async () => {
    const running = await startForTest();
    const { folder } = running;
    expect(statSync(join(folder, 'agent', 'socket')).mode & 0o777).toBe(0o666);
    expect(statSync(join(folder, 'agent', 'token')).mode & 0o777).toBe(0o644);
    const tokens = ['agent', 'helper'].map((c) => readFileSync(join(folder, c, 'token'), 'utf8'));
    const again = await startForTest();
    tokens.push(readFileSync(join(again.folder, 'agent', 'token'), 'utf8'));
    expect(new Set(tokens).size).toBe(3);
    for (const token of tokens) expect(Buffer.from(token, 'base64url').length).toBe(32);
  });

  test('contain no secret except the tokens', async () => {
    const running = await startForTest();
    await sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' });
    const names = readdirSync(running.folder, { recursive: true, encoding: 'utf8' });
    const files = names.filter((name) => statSync(join(running.folder, name)).isFile());
    expect(files.sort()).toEqual(['agent/token', 'helper/token', 'token']);
  });

  test('may contain the files of a killed sidecar', async () => {
    const pod = createPodFolder(tasks);
    for (const name of ['socket', 'token', 'token.new']) {
      writeFileSync(join(pod.folder, 'agent', name), 'stale');
    }
    const running = await startForTest(issueRun, tasks, { pod });
    expect(
      (await sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' })).status,
    ).toBe(200);
    expect(
      (await sendRequest({ ...buildLoopbackRequest(running), path: '/v1/tasks' })).status,
    ).toBe(200);
  });
});

describe('probes and metrics', () => {
  test('report ready with a readable token and never start an exchange', async () => {
    let exchanges = 0;
    const running = await startForTest((request, signal) => {
      exchanges += 1;
      return issueRun(request, signal);
    });
    const port = running.telemetryPort;
    expect((await sendRequest({ port, path: '/healthz' })).status).toBe(200);
    expect((await sendRequest({ port, path: '/readyz' })).status).toBe(200);
    expect(exchanges).toBe(0);
    const { rename } = await import('node:fs/promises');
    await rename(join(running.folder, 'token'), join(running.folder, 'gone'));
    expect((await sendRequest({ port, path: '/readyz' })).status).toBe(503);
  });

  test('have no secret, pod or session in any label', async () => {
    const running = await startForTest();
    await sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' });
    await sendRequest({
      ...buildSocketRequest(running),
      path: '/v1/runs/private-name/credentials',
    });
    const { text } = await sendRequest({ port: running.telemetryPort, path: '/metrics' });
    for (const line of [
      'valetkey_sidecar_requests_total{route="/v1/credentials",code="200"} 1',
      'valetkey_sidecar_requests_total{route="/v1/runs/{run}/credentials",code="404"} 1',
      'valetkey_sidecar_exchanges_total{task="summarize",outcome="issued"} 1',
      'valetkey_sidecar_exchange_duration_seconds_count{outcome="issued"} 1',
      'valetkey_sidecar_runs_started_total{task="summarize"} 1',
      'valetkey_sidecar_packed_policy_ratio{task="summarize"} 0.05',
    ]) {
      expect(text).toContain(line);
    }
    const [, expiration] =
      /credentials_expiration_timestamp_seconds\{task="summarize"\} (\S+)/.exec(text) ?? [];
    const remainingSeconds = Number(expiration) - Date.now() / 1000;
    expect(remainingSeconds).toBeGreaterThan(500);
    expect(remainingSeconds).toBeLessThanOrEqual(600);
    // The name of a refusal code is no secret.
    const values = text.replaceAll('code="secret_echoed"', '');
    expect(values).not.toMatch(/secret|ASIA|run-\d|private-name|agent-0|exchange\.token/);
  });

  test('have the run and the trace of an exchange as its exemplar, and no secret', async () => {
    let trace: string | undefined;
    const wrap: Tracing['wrap'] =
      (name, step) =>
      async (...given) => {
        trace = `trace-of-${name.replace('.', '-')}`;
        return step(...given).finally(() => (trace = undefined));
      };
    const tracing = { wrap, traceId: () => trace };
    const refuse: Exchange = async (request, signal) => {
      if (request.task.name === 'mail') throw new ExchangeError('refused', 'policy_denied', 'no');
      return issueRun(request, signal);
    };
    const running = await startForTest(refuse, tasks, { tracing });
    await sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' });
    const helper = buildSocketRequest(running, 'helper');
    await sendRequest({ ...helper, path: '/v1/tasks/mail/credentials' });
    const { text } = await sendRequest({
      ...{ port: running.telemetryPort, path: '/metrics' },
      headers: { Accept: PROMETHEUS_ACCEPT },
    });
    const exemplars = listExemplars(text, 'valetkey_sidecar_exchange_duration_seconds');
    expect(exemplars).toEqual([
      { run_id: `run-${issuedRuns}`, trace_id: 'trace-of-sidecar-exchange' },
      {
        request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
        trace_id: 'trace-of-sidecar-exchange',
      },
    ]);
    expect(JSON.stringify(exemplars)).not.toMatch(/secret|ASIA|agent-0|exchange\.token/);
  });

  test('write no secret to the log', async () => {
    const running = await startForTest();
    await sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' });
    await running.stop();
    expect(running.lines.join('\n')).not.toMatch(/very-secret|ASIA|exchange\.token/);
    expect(running.lines.join('\n')).toContain('"reason":"terminated"');
  });
});

describe('the shutdown', () => {
  test('ends every run, returns 503, removes the tokens and stops within 1.5 s', async () => {
    const running = await startForTest(issueRun, tasks, { drainMs: 500 });
    const to = buildSocketRequest(running);
    await sendRequest({ ...to, path: '/v1/credentials' });
    const begun = performance.now();
    const stopping = running.stop();
    await turn();
    const answer = await sendRequest({ ...to, path: '/v1/credentials' });
    expect(answer.status).toBe(503);
    expect(parseJson(answer.text)['Code']).toBe('terminating');
    expect(() => readFileSync(join(running.folder, 'agent', 'token'))).toThrow('ENOENT');
    await stopping;
    expect(performance.now() - begun).toBeLessThan(1500);
    await expect(sendRequest({ ...to, path: '/v1/credentials' })).rejects.toThrow();
  });

  test('responds at once to requests that wait for an exchange', async () => {
    const never: Exchange = () => new Promise(() => undefined);
    const running = await startForTest(never, tasks, { drainMs: 500 });
    const waiting = sendRequest({ ...buildSocketRequest(running), path: '/v1/credentials' });
    await sendRequest({ ...buildSocketRequest(running), path: '/v1/tasks' });
    const begun = performance.now();
    void running.stop();
    expect(parseJson((await waiting).text)['Code']).toBe('terminating');
    expect(performance.now() - begun).toBeLessThan(400);
  });
});
