import { once } from 'node:events';
import {
  connect,
  createServer as createSocketServer,
  type AddressInfo,
  type Socket,
} from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from '@jest/globals';

import type { CallRun } from '../../lib/calls/call-runs.ts';
import type { EndedCall } from '../../lib/calls/ended-call.ts';
import type { DecideCall } from '../../lib/calls/gates.ts';
import type { Gate } from '../../lib/contract/authority-api.ts';
import { ExchangeError, type Exchange } from '../../lib/contract/exchange.ts';
import type { UpstreamRules } from '../../lib/contract/upstream.ts';
import { createSessionHandler } from '../../lib/edge/postgres/session-handler.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { createTestSubscriber } from './fixtures/test-subscriber.ts';
import { sendRequest, startTestSidecar } from './fixtures/test-sidecar.ts';
import { clock } from './system-clock.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const TICKET = 'vk1.claims.hmac';
const policies = ['all/finals'];
const MEBIBYTE = 1024 * 1024;

type Case = {
  readonly protocol: UpstreamRules['protocol'];
  readonly allow: { readonly actions: string[]; readonly resources: string[] };
  readonly gates: readonly Gate[];
  /** What the authority answers about a call; absent: there is none. */
  readonly answer?: (asked: Asked) => void;
  /** Of the Upstream. */
  readonly pass?: readonly string[];
  readonly query?: UpstreamRules['query'];
};

type Asked = Parameters<DecideCall>[0];

/** An Upstream that counts what reaches it, behind a sidecar whose runs have these gates. */
const start = async ({ protocol, allow, gates, answer, pass = [], query }: Case) => {
  const reached: string[] = [];
  const bodies: string[] = [];
  const asked: Asked[] = [];
  const server = createServer((incoming, outgoing) => {
    reached.push(incoming.url ?? '');
    void readText(incoming).then((body) => bodies.push(body));
    outgoing.setHeader('content-type', 'application/json');
    outgoing.end('{"jsonrpc":"2.0","id":1,"result":{}}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const upstream: UpstreamRules = {
    ...{ name: 'up', url, protocol },
    ...{ query: query ?? { deny: [] }, encodedSlash: 'refuse', headers: { pass, set: {} } },
    ...{ allowHttp: true, privateAddresses: true, maxBodyBytes: MEBIBYTE },
    ...(protocol === 'mcp' && { mcp: { serverRequests: false } }),
  };
  const allowed = protocol === 'http' ? { ...allow, resources: [`${url}/*`] } : allow;
  const exchange: Exchange = () =>
    Promise.resolve({
      run: 'run-1',
      secret: { kind: 'http', headers: { authorization: 'Bearer x' }, echoes: [], upstream },
      deadline: Date.now() + 600_000,
      skewMs: 0,
      oversight: { ticket: TICKET, gates, policyVersion: 'one' },
    });
  const limits = { maxBodyBytes: MEBIBYTE, bufferBytes: MEBIBYTE };
  const running = await startTestSidecar({
    tasks: [
      buildTask({ name: 'work', provider: 'http', role: 'up', delivery: 'sign', allow: [allowed] }),
    ],
    exchange,
    environment: {
      VALETKEY_GATEWAY: JSON.stringify({ region: 'eu-central-1', dialect: 'aws', ...limits }),
    },
    ...(answer && {
      createSource: () => ({
        exchange,
        authority: createTestSubscriber({
          decideCall: (given: Asked) => {
            asked.push(given);
            return Promise.resolve(given).then(answer);
          },
        }),
      }),
    }),
  });
  closers.push(running.remove, running.stop);
  const token = readFileSync(join(running.folder, 'agent', 'token'), 'utf8');
  const port = running.gatewayPort ?? 0;
  const send = (
    ...[method, path, type, body, given = {}]: readonly [
      method: string,
      path: string,
      type?: string,
      body?: string,
      headers?: Record<string, string>,
    ]
  ) =>
    sendRequest({
      ...{ port, method, path: `/t/work${path}` },
      headers: {
        host: `127.0.0.1:${port}`,
        authorization: `Basic ${Buffer.from(`any:${token}`).toString('base64')}`,
        accept: 'application/json, text/event-stream',
        ...(type !== undefined && { 'content-type': type }),
        ...given,
      },
      ...(body !== undefined && { body }),
    });
  return { send, reached, bodies, asked };
};

const GIT = { actions: ['git:fetch', 'git:push'], resources: ['git://up/acme/web'] };
const toLine = (text: string): string =>
  (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
const PUSH = toLine(`${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main\0report-status`) + '0000';
const push = [
  'POST',
  '/acme/web.git/git-receive-pack',
  'application/x-git-receive-pack-request',
  PUSH,
] as const;
const buildMessage = (method: string, params: object): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
const TOOL = { actions: ['mcp:tools/call'], resources: ['mcp://up/tools/*'] };

describe('a canary of an Upstream', () => {
  const buildCanary = (like: string): Gate[] => [
    { gate: 'canary', actions: ['*'], like: [like], policies: [] },
  ];
  const refuseReport = () => {
    throw new ExchangeError('refused', 'call_denied', 'no');
  };

  type Protocol = 'http' | 'git' | 'mcp';
  type Sent = Parameters<Awaited<ReturnType<typeof start>>['send']>;
  const message = buildMessage('tools/call', { name: 'wire' });
  const toServer: Sent = ['POST', '', 'application/json', message];
  const cases: [string, Protocol, string, Sent, string][] = [
    ['a path', 'http', 'http://*/admin/*', ['GET', '/admin/users'], 'path_outside'],
    ['a repository', 'git', 'git://up/acme/web', [...push], 'path_outside'],
    ['a ref', 'git', 'git://up/acme/web#*', [...push], 'ref_outside'],
    ['a tool', 'mcp', 'mcp://up/tools/wire', toServer, 'tool_outside'],
  ];
  const within = { http: { actions: ['http:GET'], resources: ['http://*'] }, git: GIT, mcp: TOOL };

  it.each(cases)('%s is refused and reported', async (_what, protocol, like, call, code) => {
    const gates = buildCanary(like);
    const allow = within[protocol];
    const { send, reached, asked } = await start({ protocol, gates, answer: refuseReport, allow });
    const { text } = await send(...call);
    expect(text).toContain(code);
    expect(reached).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it('keeps the refusal that a call outside of the task has anyway', async () => {
    const call = ['POST', '/admin/users', 'application/json', '{}'] as const;
    const texts: string[] = [];
    for (const gates of [[], buildCanary('http://*/admin/*')]) {
      const allow = within.http;
      const { send } = await start({ protocol: 'http', gates, answer: refuseReport, allow });
      texts.push((await send(...call)).text.replace(/[0-9a-f-]{36}|:\d{2,5}/g, ''));
    }
    expect(texts[0]).toContain('action_outside');
    expect(texts[1]).toBe(texts[0]);
  });
});

describe('the gates of a run of an Upstream', () => {
  it.each(['git://up/acme/web', 'git://up/acme/web#refs/heads/main', 'git://up/*'])(
    'refuse a push to a ref within %s before the forge gets anything of it',
    async (like) => {
      const gates: Gate[] = [{ gate: 'deny', actions: ['git:push'], like: [like], policies }];
      const { send, reached } = await start({ protocol: 'git', allow: GIT, gates });
      const { status, text } = await send(...push);
      expect([status, text, reached]).toEqual([
        200,
        expect.stringMatching(/ng refs\/heads\/main .*all\/finals.*call_denied/s),
        [],
      ]);
    },
  );

  it('let pass what no gate is about', async () => {
    const like = ['git://up/acme/web#refs/heads/release'];
    const gates: Gate[] = [{ gate: 'deny', actions: ['git:push'], like, policies }];
    const { send, reached } = await start({ protocol: 'git', allow: GIT, gates });
    await send(...push);
    expect(reached).toEqual(['/acme/web.git/git-receive-pack']);
  });

  it('refuse the call of a tool before the server gets any message', async () => {
    const like = ['mcp://up/tools/drop'];
    const gates: Gate[] = [{ gate: 'deny', actions: ['mcp:tools/call'], like, policies }];
    const { send, reached } = await start({ protocol: 'mcp', allow: TOOL, gates });
    const call = (name: string) =>
      send('POST', '', 'application/json', buildMessage('tools/call', { name, arguments: {} }));
    expect((await call('drop')).text).toContain('call_denied');
    expect(reached).toEqual([]);
    await call('list');
    expect(reached).toHaveLength(1);
  });

  it('refuse a call that the authority cannot be asked about', async () => {
    const gates: Gate[] = [{ gate: 'ask', actions: ['mcp:tools/call'], policies }];
    const { send, reached } = await start({ protocol: 'mcp', allow: TOOL, gates });
    const message = buildMessage('tools/call', { name: 'drop', arguments: {} });
    const { text } = await send('POST', '', 'application/json', message);
    expect(text).toContain('authority_unreachable');
    expect(reached).toEqual([]);
  });
});

const PENDING = 'data-owners must approve: kubectl valetkey approve -n live ar-1';
/** People have not decided. */
const isPending = (): never => {
  throw new ExchangeError('refused', 'approval_pending', PENDING);
};
const HTTP = { actions: ['http:POST'], resources: [] };
const readHashes = (asked: readonly Asked[]) => asked.map(({ call }) => call.content?.sha256);

describe('a call of an Upstream that people have to approve', () => {
  it('answers the call of a tool with a result that a model reads, bound to its arguments', async () => {
    const gates: Gate[] = [{ gate: 'ask', actions: ['mcp:tools/call'], policies }];
    const { send, reached, asked } = await start({
      ...{ protocol: 'mcp', allow: TOOL, gates, answer: isPending },
    });
    const call = (params: object, id = 1) =>
      send(
        ...(['POST', '', 'application/json'] as const),
        JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }),
      );
    const { status, text } = await call({ name: 'pay', arguments: { to: 'mara', amount: 5 } });
    expect(status).toBe(200);
    const { result } = JSON.parse(text) as {
      result: { isError: boolean; content: [{ text: string }] };
    };
    expect(result.isError).toBe(true);
    expect(result.content[0].text).toContain(PENDING);
    expect(reached).toEqual([]);
    expect(asked[0]?.call.content?.fields).toEqual(
      expect.arrayContaining([
        { name: '/params/arguments/to', value: 'mara' },
        { name: '/params/arguments/amount', value: '5' },
      ]),
    );
    const meta = { _meta: { progressToken: 7 } };
    await call({ arguments: { amount: 5, to: 'mara' }, name: 'pay', ...meta }, 2);
    await call({ name: 'pay', arguments: { to: 'mara', amount: 6 } });
    const [first, same, other] = readHashes(asked);
    expect(same).toBe(first);
    expect(other).not.toBe(first);
  });

  it('reads the body of a request of HTTP, and passes it on once it is approved', async () => {
    const gates: Gate[] = [{ gate: 'ask', actions: ['http:POST'], policies }];
    const { send, bodies, asked } = await start({
      ...{ protocol: 'http', allow: HTTP, gates },
      answer: ({ call }) => {
        if (call.content === undefined) {
          throw new ExchangeError('refused', 'approval_needs_hash', 'expected a hash');
        }
      },
    });
    const post = (path: string, body: string) => send('POST', path, 'application/json', body);
    expect((await post('/pay?a=1&b=2', '{"amount":5}')).status).toBe(200);
    expect(bodies).toEqual(['{"amount":5}']);
    await post('/pay?a=1&b=2', '{"amount":5}');
    await post('/pay?a=1&b=2', '{"amount":6}');
    await post('/pay?a=1&b=3', '{"amount":5}');
    // Some servers take the first of two, others the last.
    await post('/pay?a=1&a=2', '{"amount":5}');
    await post('/pay?a=2&a=1', '{"amount":5}');
    const hashes = readHashes(asked).filter((each) => each !== undefined);
    expect(hashes[1]).toBe(hashes[0]);
    expect(new Set(hashes).size).toBe(5);
  });

  const headers = [
    { range: 'bytes=0-9' },
    { 'if-unmodified-since': 'Tue, 01 Dec 2026 00:00:00 GMT' },
    { 'anthropic-beta': 'files-api' },
    { accept: 'application/vnd.raw' },
    { 'x-tenant': 'acme' },
  ];
  it('of HTTP has another hash with every header that the Upstream gets, but none that an SDK fills again', async () => {
    const gates: Gate[] = [{ gate: 'ask', actions: ['http:POST'], policies }];
    const { send, asked } = await start({
      ...{ protocol: 'http', allow: HTTP, gates, answer: isPending, pass: ['x-tenant'] },
    });
    const same = [{}, { 'idempotency-key': '1' }, { 'x-stainless-retry-count': '1' }];
    for (const each of [...same, ...headers]) {
      await send('POST', '/pay', undefined, undefined, each);
    }
    const [first, ...rest] = readHashes(asked);
    expect(rest.slice(0, 2)).toEqual([first, first]);
    expect(new Set([first, ...rest]).size).toBe(1 + headers.length);
  });

  it('of MCP has another hash with another query, and another header that the Upstream gets', async () => {
    const gates: Gate[] = [{ gate: 'ask', actions: ['mcp:tools/call'], policies }];
    const { send, asked } = await start({
      ...{ protocol: 'mcp', allow: TOOL, gates, answer: isPending },
      ...{ pass: ['x-tenant'], query: { deny: [], allow: ['project'] } },
    });
    const message = buildMessage('tools/call', { name: 'drop', arguments: {} });
    const call = (query: string, given = {}) =>
      send('POST', query, 'application/json', message, given);
    await call('?project=test', { 'x-tenant': 'acme' });
    await call('?project=test', { 'x-tenant': 'acme', 'user-agent': 'other' });
    await call('?project=live', { 'x-tenant': 'acme' });
    await call('?project=test', { 'x-tenant': 'other' });
    await call('?project=test');
    const [first, same, ...others] = readHashes(asked);
    expect(first).toBeDefined();
    expect(same).toBe(first);
    expect(new Set([first, ...others]).size).toBe(4);
  });

  it('refuses each ref of a push in its report, after refs were listed', async () => {
    const gates: Gate[] = [
      {
        gate: 'ask',
        actions: ['git:push'],
        like: ['git://up/acme/web', 'git://up/acme/web#*'],
        policies,
      },
    ];
    const { send, reached, asked } = await start({
      ...{ protocol: 'git', allow: GIT, gates, answer: isPending },
    });
    const listed = await send('GET', '/acme/web.git/info/refs?service=git-receive-pack');
    expect([listed.status, asked]).toEqual([200, []]);
    const { status, text } = await send(...push);
    expect(status).toBe(200);
    expect(text).toContain(`ng refs/heads/main valetkey: ${PENDING}`);
    expect(reached).toEqual(['/acme/web.git/info/refs?service=git-receive-pack']);
    await send(push[0], push[1], push[2], PUSH.replace('1111', '2111'));
    const [first, other] = readHashes(asked);
    expect(other).not.toBe(first);
  });
});

const DATABASE = { actions: ['postgres:connect'], resources: ['postgres://up/shop'] };
const buildGate = (gate: Gate['gate'], like: string): Gate => ({
  ...{ gate, actions: ['postgres:connect'], like: [like], policies },
});

/** Connects to database `shop` with a run that has these gates. @returns what the client gets */
const connectDatabase = async (gates: readonly Gate[], decideCall?: () => Promise<void>) => {
  const task = buildTask({ provider: 'postgres', role: 'up/reader', allow: [DATABASE] });
  const recorded: EndedCall[] = [];
  const run: Partial<CallRun> = {
    ...{ run: 'run-1', task: task.name, allow: [DATABASE] },
    oversight: { ticket: TICKET, gates, policyVersion: 'one' },
    secret: {
      ...{ kind: 'postgres', upstream: 'up', host: 'localhost', port: 1, caBundle: '' },
      ...{ user: 'u', password: 'p' },
    },
    signal: new AbortController().signal,
    release: () => undefined,
  };
  const handler = createSessionHandler({
    isAllowedAddress: () => false,
    lookup: (_host, _options, done) => done(new Error('looked up'), '', 4),
    resolveRun: () => Promise.resolve(run as CallRun),
    identifyToken: () => undefined,
    isJournalBlocked: () => false,
    createId: () => 'call-1',
    clock,
    decideCall,
    record: (call) => recorded.push(call),
    ended: () => undefined,
    failed: () => undefined,
  });
  const server = createSocketServer((socket) => {
    void handler.handle(socket, { task, consumer: 'agent' });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const client: Socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const parameters = Buffer.from('\0\x03\0\0user\0agent\0database\0shop\0\0');
  const length = Buffer.alloc(4);
  length.writeInt32BE(parameters.length + 4);
  client.write(Buffer.concat([length, parameters]));
  return { text: await readText(client), code: recorded[0]?.code };
};

describe('the gates of a run of a database', () => {
  it('refuse the connection to a canary', async () => {
    const canary = { ...buildGate('canary', 'postgres://up/shop'), actions: ['*'] };
    const { text, code } = await connectDatabase([canary]);
    expect(text).toContain('is outside task');
    expect(code).toBe('resource_outside');
  });

  it('refuse the connection to a database that a policy about calls forbids', async () => {
    const { text, code } = await connectDatabase([buildGate('deny', 'postgres://up/shop')]);
    expect(text).toContain('all/finals');
    expect(code).toBe('call_denied');
  });

  it('ask the authority about the connection, and refuse it as it answers', async () => {
    const deny = () => Promise.reject(new ExchangeError('refused', 'call_denied', 'not now'));
    const { text, code } = await connectDatabase([buildGate('ask', 'postgres://up/*')], deny);
    expect(text).toContain('not now');
    expect(code).toBe('call_denied');
  });

  it('let pass a connection that the authority allows, and one that no gate is about', async () => {
    const gates = [buildGate('ask', 'postgres://up/shop')];
    const allowed = await connectDatabase(gates, () => Promise.resolve());
    const other = await connectDatabase([buildGate('deny', 'postgres://up/other')]);
    expect([allowed.code, other.code]).toEqual(['upstream_unreachable', 'upstream_unreachable']);
  });
});
