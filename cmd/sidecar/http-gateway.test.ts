import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';

import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from '@jest/globals';
import OpenAI from 'openai';

import { createAuditFile } from '../../lib/audit/fixtures/recording.ts';
import { verifyCalls } from '../../lib/audit/call-verification.ts';
import type { WriteText } from '../../lib/calls/line-writer.ts';
import type { Exchange } from '../../lib/contract/exchange.ts';
import type { UpstreamRules } from '../../lib/contract/upstream.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const KEY = 'sk-real-0123456789abcdef';

type Received = {
  readonly method: string;
  readonly url: string;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
};
type Respond = (outgoing: ServerResponse, received: Received) => void | Promise<void>;

/** An API that accepts only the real key. */
const startApi = async (respond: Respond) => {
  const calls: Received[] = [];
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = incoming;
    const received = { method, url, headers, body: await readText(incoming) };
    calls.push(received);
    if (headers.authorization !== `Bearer ${KEY}`) {
      outgoing.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"no key"}');
    } else await respond(outgoing, received);
  };
  const server = createServer((incoming, outgoing) => void handle(incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { calls, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

const sendJson =
  (body: object, status = 200, headers: Record<string, string> = {}): Respond =>
  (outgoing) => {
    outgoing.writeHead(status, { 'content-type': 'application/json', ...headers });
    outgoing.end(JSON.stringify(body));
  };

const buildRules = (origin: string): UpstreamRules => ({
  name: 'model-api',
  url: origin,
  protocol: 'http',
  headers: { pass: [], set: {} },
  query: { deny: [] },
  encodedSlash: 'refuse',
  allowHttp: true,
  privateAddresses: true,
  maxBodyBytes: 4096,
});

const listTasks = (origin: string) => {
  const shared = { provider: 'http', role: 'model-api', delivery: 'sign', default: false } as const;
  const allow = [{ actions: ['http:POST', 'http:GET'], resources: [`${origin}/v1/*`] }];
  return [
    buildTask({ ...shared, name: 'chat', allow }),
    buildTask({
      ...shared,
      name: 'customer',
      params: { id: { pattern: '[a-z]+', maxLength: 20 } },
      allow: [{ actions: ['http:GET'], resources: [`${origin}/customers/{id}/*`] }],
    }),
    buildTask({ ...shared, name: 'mail', containers: ['helper'], allow }),
  ];
};

const startGateway = async (
  respond: Respond,
  {
    secret = KEY,
    rules = {},
    write,
  }: { secret?: string; rules?: Partial<UpstreamRules>; write?: WriteText } = {},
) => {
  const api = await startApi(respond);
  let runs = 0;
  const exchange: Exchange = ({ task: { lifetimeSeconds } }) => {
    runs += 1;
    return Promise.resolve({
      run: `run-${runs}`,
      secret: {
        kind: 'http',
        headers: { authorization: `Bearer ${secret}` },
        echoes: [secret],
        upstream: { ...buildRules(api.origin), ...rules },
      },
      deadline: Date.now() + lifetimeSeconds * 1000,
      skewMs: 0,
    });
  };
  const gateway = {
    region: 'eu-central-1',
    dialect: 'aws',
    maxBodyBytes: 1_048_576,
    bufferBytes: 1_048_576,
  };
  const running = await startTestSidecar({
    tasks: listTasks(api.origin),
    exchange,
    environment: { VALETKEY_GATEWAY: JSON.stringify(gateway) },
    ...(write && { write }),
  });
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= running.stop());
  closers.push(running.remove, stop);
  const readToken = (consumer = 'agent') =>
    readFileSync(join(running.folder, consumer, 'token'), 'utf8');
  const base = `http://127.0.0.1:${running.gatewayPort}`;
  const call = (
    path: string,
    options: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ) =>
    fetch(`${base}${path}`, {
      ...options,
      headers: { authorization: `Bearer ${readToken()}`, ...options.headers },
    });
  const askSidecar = (path: string, method = 'GET', body?: object) =>
    sendRequest({
      ...{ port: running.loopbackPort, path, method },
      headers: {
        Authorization: readToken(),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return { ...running, stop, api, base, call, askSidecar, readToken, countRuns: () => runs };
};

const answer = sendJson({ ok: true });

describe('the gateway for tasks of provider http', () => {
  it('presents the real key to the upstream and drops the token of the consumer', async () => {
    const { api, call, readToken } = await startGateway(answer);
    const response = await call('/t/chat/v1/chat/completions?n=1', {
      method: 'POST',
      body: '{"model":"m"}',
      headers: { 'content-type': 'application/json', cookie: 'a=b', 'x-api-key': readToken() },
    });
    expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
    const [received] = api.calls;
    expect(received).toMatchObject({
      method: 'POST',
      url: '/v1/chat/completions?n=1',
      body: '{"model":"m"}',
    });
    expect(received?.headers['authorization']).toBe(`Bearer ${KEY}`);
    expect(JSON.stringify(received)).not.toContain(readToken());
    expect(received?.headers).not.toHaveProperty('cookie');
    expect(received?.headers).not.toHaveProperty('x-api-key');
  });

  it('lets the unmodified openai client call and stream with the loopback token as its key', async () => {
    const { base, readToken } = await startGateway((outgoing, { body }) => {
      if ((JSON.parse(body) as { stream?: boolean }).stream !== true) {
        return sendJson({ choices: [{ message: { content: 'hello' } }] })(outgoing, {} as Received);
      }
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const content of ['one', 'two']) {
        outgoing.write(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`);
      }
      outgoing.end('data: [DONE]\n\n');
    });
    const client = new OpenAI({ baseURL: `${base}/t/chat/v1`, apiKey: readToken() });
    const request = { model: 'm', messages: [{ role: 'user', content: 'hi' }] } as const;
    const whole = await client.chat.completions.create({
      ...request,
      messages: [...request.messages],
    });
    expect(whole.choices[0]?.message.content).toBe('hello');
    const stream = await client.chat.completions.create({
      ...request,
      messages: [...request.messages],
      stream: true,
    });
    const parts: unknown[] = [];
    for await (const { choices } of stream) parts.push(choices[0]?.delta.content);
    expect(parts).toEqual(['one', 'two']);
  });

  it('lets the unmodified anthropic client call with the loopback token in x-api-key', async () => {
    const { api, base, readToken } = await startGateway(
      sendJson({ type: 'message', content: [{ type: 'text', text: 'hello' }] }),
    );
    const client = new Anthropic({ baseURL: `${base}/t/chat`, apiKey: readToken() });
    const message = await client.messages.create({
      model: 'm',
      max_tokens: 8,
      messages: [{ role: 'user', content: 'hi' }],
    });
    expect(message.content).toEqual([{ type: 'text', text: 'hello' }]);
    expect(api.calls[0]?.url).toBe('/v1/messages');
    expect(api.calls[0]?.headers['anthropic-version']).toBeDefined();
  });

  it('needs no key on the socket of the consumer', async () => {
    const { folder, base } = await startGateway(answer);
    const response = await sendRequest({
      socketPath: join(folder, 'agent', 'gateway'),
      path: '/t/chat/v1/models',
      headers: { host: new URL(base).host },
    });
    expect([response.status, response.text]).toEqual([200, '{"ok":true}']);
  });

  it.each([
    [
      'in the password of Basic',
      (token: string) => ({ authorization: `Basic ${btoa(`x:${token}`)}` }),
    ],
    ['in api-key', (token: string) => ({ authorization: '', 'api-key': token })],
  ])('accepts the loopback token %s', async (_place, build) => {
    const { call, readToken } = await startGateway(answer);
    expect((await call('/t/chat/v1/models', { headers: build(readToken()) })).status).toBe(200);
  });

  it.each([
    ['no key', ''],
    ['another key', 'Bearer sk-other'],
    ['the token without a scheme', 'token'],
  ])('refuses a call with %s as key_required', async (_what, authorization) => {
    const { api, call, countRuns } = await startGateway(answer);
    const response = await call('/t/chat/v1/models', { headers: { authorization } });
    expect(response.status).toBe(401);
    expect(response.headers.get('x-valetkey-code')).toBe('key_required');
    expect([api.calls.length, countRuns()]).toEqual([0, 0]);
  });

  it('knows no task of another consumer, and no run of one', async () => {
    const { api, call, askSidecar, readToken } = await startGateway(answer);
    expect((await call('/t/mail/v1/models')).status).toBe(404);
    const started = await askSidecar('/v1/tasks/customer/runs', 'POST', { params: { id: 'acme' } });
    const { run } = JSON.parse(started.text) as { run: string };
    const other = { authorization: `Bearer ${readToken('helper')}` };
    const refused = await call(`/r/${run}/customers/acme/x`, { headers: other });
    expect(refused.headers.get('x-valetkey-code')).toBe('run_ended');
    expect(api.calls).toEqual([]);
  });

  it.each([
    ['a path outside the task', 'GET', '/t/chat/admin', 403, 'path_outside'],
    ['a method outside the task', 'DELETE', '/t/chat/v1/models', 403, 'action_outside'],
    ['an encoded slash', 'GET', '/t/chat/v1/a%2Fb', 400, 'request_malformed'],
    ['a task with params', 'GET', '/t/customer/customers/acme/x', 400, 'request_malformed'],
    ['an unknown task', 'GET', '/t/nothing/v1', 404, 'route_unknown'],
  ])('refuses %s before the upstream is asked', async (_what, method, path, status, code) => {
    const { api, call } = await startGateway(answer);
    const response = await call(path, { method });
    expect([response.status, response.headers.get('x-valetkey-code')]).toEqual([status, code]);
    expect(api.calls).toEqual([]);
  });

  it('refuses headers of a browser or a proxy, and another Host', async () => {
    const { api, call, folder } = await startGateway(answer);
    const forwarded = await call('/t/chat/v1/models', {
      headers: { 'x-forwarded-for': '10.0.0.1' },
    });
    expect(forwarded.headers.get('x-valetkey-code')).toBe('not_local');
    const rebound = await sendRequest({
      socketPath: join(folder, 'agent', 'gateway'),
      path: '/t/chat/v1/models',
      headers: { host: 'evil.example' },
    });
    expect(rebound.status).toBe(400);
    expect(api.calls).toEqual([]);
  });

  it('passes each event of a stream on before the upstream sends the next', async () => {
    let sendSecond = (): void => undefined;
    const { call } = await startGateway((outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      outgoing.write('data: first\n\n');
      sendSecond = () => void outgoing.end('data: second\n\n');
    });
    const { body } = await call('/t/chat/v1/events');
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe('data: first\n\n');
    sendSecond();
    expect((await reader?.read())?.value).toBe('data: second\n\n');
  });

  it('passes a 429 and its Retry-After on, and tries nothing again', async () => {
    const { api, call } = await startGateway(
      sendJson({ error: 'slow' }, 429, { 'retry-after': '7' }),
    );
    const response = await call('/t/chat/v1/models');
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
    expect(api.calls).toHaveLength(1);
  });

  it('cuts an answer that holds the secret across two chunks, and ends the run', async () => {
    const { call, countRuns, lines } = await startGateway((outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/plain' });
      outgoing.write(`your key is ${KEY.slice(0, 10)}`);
      setImmediate(() => outgoing.end(KEY.slice(10)));
    });
    const response = await call('/t/chat/v1/models');
    await expect(response.text()).rejects.toThrow();
    await call('/t/chat/v1/models')
      .then(({ text }) => text)
      .catch(() => undefined);
    expect(countRuns()).toBe(2);
    expect(lines.join('\n')).not.toContain(KEY);
  });

  it('answers 502 to an answer with the secret in a header', async () => {
    const { call } = await startGateway(sendJson({}, 200, { 'x-debug': `Bearer ${KEY}` }));
    const response = await call('/t/chat/v1/models');
    expect([response.status, response.headers.get('x-valetkey-code')]).toEqual([
      502,
      'secret_echoed',
    ]);
    expect(JSON.stringify([...response.headers])).not.toContain(KEY);
  });

  it('refuses a redirect to another origin, and follows none', async () => {
    const { call } = await startGateway(sendJson({}, 302, { location: 'http://169.254.169.254/' }));
    const response = await call('/t/chat/v1/models', { redirect: 'manual' });
    expect(response.headers.get('x-valetkey-code')).toBe('redirect_refused');
  });

  it('gets the secret again after the upstream refused it, once a minute at most', async () => {
    const { call, countRuns } = await startGateway(answer, { secret: 'sk-old-0123456789abcdef' });
    for (const path of ['a', 'b', 'c']) expect((await call(`/t/chat/v1/${path}`)).status).toBe(401);
    expect(countRuns()).toBe(2);
  });

  it.each([
    ['with a length', 'x'.repeat(5000)],
    [
      'of unknown length',
      new ReadableStream({
        start: (controller) => {
          controller.enqueue(new TextEncoder().encode('x'.repeat(5000)));
          controller.close();
        },
      }),
    ],
  ])('refuses a body above the limit of the upstream %s', async (_what, body) => {
    const { call } = await startGateway(answer);
    const response = await call('/t/chat/v1/files', {
      method: 'POST',
      body,
      duplex: 'half',
    } as object);
    expect([response.status, response.headers.get('x-valetkey-code')]).toEqual([
      413,
      'body_too_large',
    ]);
  });

  it('refuses a model that the upstream does not list', async () => {
    const { api, call } = await startGateway(answer, { rules: { models: ['small'] } });
    const post = (model: string) =>
      call('/t/chat/v1/chat/completions', {
        method: 'POST',
        body: JSON.stringify({ model }),
        headers: { 'content-type': 'application/json' },
      });
    expect((await post('large')).headers.get('x-valetkey-code')).toBe('model_outside');
    expect((await post('small')).status).toBe(200);
    expect(api.calls).toHaveLength(1);
  });

  it('serves no credentials of such a task', async () => {
    const { askSidecar } = await startGateway(answer);
    const refused = await askSidecar('/v1/tasks/chat/credentials');
    expect([refused.status, refused.text]).toEqual([
      409,
      expect.stringContaining('no_credentials'),
    ]);
    expect((await askSidecar('/v1/credentials')).status).toBe(404);
  });

  it('starts a run with params, whose base URL reaches only what the params say', async () => {
    const { api, base, call, askSidecar } = await startGateway(answer);
    const started = await askSidecar('/v1/tasks/customer/runs', 'POST', { params: { id: 'acme' } });
    const { run, baseUrl } = JSON.parse(started.text) as { run: string; baseUrl: string };
    expect([started.status, baseUrl]).toEqual([201, `${base}/r/${run}`]);
    expect((await call(`/r/${run}/customers/acme/orders`)).status).toBe(200);
    const outside = await call(`/r/${run}/customers/other/orders`);
    expect(outside.headers.get('x-valetkey-code')).toBe('path_outside');
    expect((await askSidecar(`/v1/runs/${run}/credentials`)).status).toBe(409);
    expect((await askSidecar(`/v1/runs/${run}`, 'DELETE')).status).toBe(204);
    expect((await call(`/r/${run}/customers/acme/orders`)).headers.get('x-valetkey-code')).toBe(
      'run_ended',
    );
    expect(api.calls).toHaveLength(1);
  });

  it('answers a client of Vault in its own format, also when its run has ended', async () => {
    const { call, askSidecar, readToken } = await startGateway(answer);
    const started = await askSidecar('/v1/tasks/customer/runs', 'POST', { params: { id: 'acme' } });
    const { run } = JSON.parse(started.text) as { run: string };
    await askSidecar(`/v1/runs/${run}`, 'DELETE');
    const headers = { 'x-vault-token': readToken() };
    const refused = await call(`/r/${run}/customers/acme/orders`, { headers });
    expect(await refused.json()).toEqual({ errors: [expect.stringContaining('(run_ended)')] });
  });
});

describe('the journal of calls of provider http', () => {
  const createLog = () => {
    const text: string[] = [];
    const write: WriteText = (line, done) => {
      text.push(line);
      done();
    };
    return {
      write,
      readText: () => text.join(''),
      readLines: () => text.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
    };
  };

  it('has a line for each call in the chain of its run, without the key, query or body', async () => {
    const log = createLog();
    const { api, call, stop, readToken } = await startGateway(answer, log);
    const token = readToken();
    await (await call('/t/chat/v1/models?q=private')).text();
    await (await call('/t/chat/v2/models')).text();
    await (await call('/t/chat/v1/models', { method: 'PUT', body: 'private' })).text();
    await (await call('/t/mail/v1/models')).text();
    await stop();
    const of = { kind: 'call', run: 'run-1', task: 'chat', consumer: 'agent', resolved: true };
    const get = { operation: 'http.GET', actions: ['http:GET'] };
    expect(log.readLines()).toEqual([
      expect.objectContaining({
        ...{ ...of, ...get, outcome: 'allowed', status: 200, seq: 0 },
        resources: [`${api.origin}/v1/models`],
      }),
      expect.objectContaining({
        ...{ ...of, ...get, outcome: 'refused', code: 'path_outside', status: 403, seq: 1 },
        resources: [`${api.origin}/v2/models`],
      }),
      expect.objectContaining({
        ...{ ...of, outcome: 'refused', code: 'action_outside', status: 403, seq: 2 },
        ...{ operation: 'http.PUT', actions: ['http:PUT'] },
      }),
      expect.objectContaining({ outcome: 'refused', code: 'route_unknown', seq: 0 }),
    ]);
    const files = [createAuditFile(log.readText())];
    expect(await verifyCalls(files, { heads: [] })).toMatchObject({ faultCount: 0 });
    for (const secret of [KEY, token, 'private']) expect(log.readText()).not.toContain(secret);
  });

  it('has a call whose answer the gateway cuts', async () => {
    const log = createLog();
    const { call, stop } = await startGateway((outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/plain' });
      outgoing.write(`your key is ${KEY.slice(0, 10)}`);
      setImmediate(() => outgoing.end(KEY.slice(10)));
    }, log);
    const response = await call('/t/chat/v1/models');
    await expect(response.text()).rejects.toThrow();
    await stop();
    expect(log.readLines()).toEqual([
      expect.objectContaining({ outcome: 'cut', code: 'secret_echoed', task: 'chat' }),
    ]);
  });

  it('is what calls are refused without: no key is presented while the log takes no line', async () => {
    const { api, call } = await startGateway(answer, {
      write: (_, done) => done(new Error('EPIPE')),
    });
    await (await call('/t/chat/v1/models')).text();
    const refused = await call('/t/chat/v1/models');
    expect([refused.status, refused.headers.get('x-valetkey-code')]).toEqual([
      503,
      'audit_unavailable',
    ]);
    expect(api.calls).toHaveLength(1);
  });
});
