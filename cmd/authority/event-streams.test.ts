import { once } from 'node:events';
import {
  createServer,
  get,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, type AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  HEARTBEAT_INTERVAL_MS,
  type Revocation,
  type StreamLine,
} from '../../lib/contract/authority-api.ts';
import { IdentityError } from '../../lib/identity/workload.ts';
import { NOON, buildRevocation } from '../../lib/revocation/fixtures/revocation-objects.ts';
import { indexRevocations } from '../../lib/revocation/matching.ts';
import type { StreamPod } from '../../lib/exchange/stream-authentication.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { createEventStreams, type EventStreams } from './event-streams.ts';

let harness: ReturnType<typeof createStreamHarness>;
beforeEach(async () => {
  // Only the heartbeat timer is fake: sockets need real time.
  jest.useFakeTimers({ doNotFake: [...REAL] });
  harness = createStreamHarness();
  await once(harness.server, 'listening');
});
afterEach(async () => {
  harness.streams.stop();
  harness.server.closeAllConnections();
  await new Promise((resolve) => harness.server.close(resolve));
  jest.useRealTimers();
});

const REAL = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setTimeout',
  'clearTimeout',
] as const;
/** Time for every stream to receive one heartbeat. */
const advanceHeartbeat = (): void => jest.advanceTimersByTime(HEARTBEAT_INTERVAL_MS);

const buildStreamPod = (podUid: string): StreamPod => ({
  namespace: 'research',
  serviceAccount: 'agent',
  pod: `agent-${podUid}`,
  podUid,
  tokenExpiresAt: NOON + 600_000,
});

/** Real HTTP; the token is the UID of the pod, and its run IDs start with it. */
const createStreamHarness = () => {
  let listener: () => void = () => undefined;
  const state = {
    now: NOON,
    isCurrent: true,
    index: indexRevocations([]),
    authenticated: Promise.resolve(),
  };
  const tried: string[] = [];
  const responses: ServerResponse[] = [];
  const errors: unknown[] = [];
  const counts: number[] = [];
  const streams: EventStreams = createEventStreams({
    authenticate: async (token) => {
      if (token === 'bad') throw new IdentityError('refused', 'token_expired', 'too old');
      await state.authenticated;
      return buildStreamPod(token);
    },
    policies: { getVersion: () => undefined, subscribe: () => () => undefined },
    revocations: {
      index: () => state.index,
      isCurrent: () => state.isCurrent,
      subscribe: (given) => {
        listener = given;
        return () => (listener = () => undefined);
      },
    },
    belongsTo: (run, podUid) => {
      tried.push(podUid);
      return run.startsWith(`${podUid}-`);
    },
    by: 'authority',
    clock: { now: () => state.now },
    onCount: (count) => counts.push(count),
    maxStreams: 20,
  });
  const server: Server = createServer((request, response) => {
    const token = (request.headers.authorization ?? '').replace('Bearer ', '');
    responses.push(response);
    const follow = request.headers['valetkey-follow'];
    const followed = follow === undefined ? [] : String(follow).split(',');
    streams.serve(token, response, { peer: '127.0.0.1', followed }).catch((error: unknown) => {
      errors.push(error);
      response.writeHead(503).end();
    });
  }).listen(0, '127.0.0.1');
  const revoke = (...all: Revocation[]): void => {
    state.index = indexRevocations(all);
    listener();
  };
  return { server, streams, state, errors, counts, revoke, tried, responses };
};

/** The sidecar's end of a stream. */
const listen = async (token: string) => {
  const { port } = harness.server.address() as AddressInfo;
  const headers = { Authorization: `Bearer ${token}` };
  const request = get({ port, host: '127.0.0.1', headers, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const lines: StreamLine[] = [];
  let rest = '';
  let isOver = false;
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts.map((part) => JSON.parse(part) as StreamLine));
  });
  response.on('error', () => undefined);
  response.on('close', () => (isOver = true));
  const names = () =>
    lines
      .filter((line) => line.type === 'revocations')
      .at(-1)
      ?.active.map(({ name }) => name)
      .join();
  return { response, lines, names, isOver: () => isOver, close: () => request.destroy() };
};

describe('an event stream', () => {
  it('starts with the current revocations, as JSON lines that are not cached', async () => {
    harness.revoke(
      buildRevocation('one', { namespace: 'research' }),
      buildRevocation('two', { run: 'a-1' }),
    );
    const stream = await listen('a');
    await waitUntil(() => stream.lines.length === 1);
    expect(stream.response.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'cache-control': 'no-store',
    });
    expect(stream.lines[0]).toEqual({
      type: 'revocations',
      active: [
        { name: 'one', reason: 'incident 7' },
        { name: 'two', run: 'a-1', reason: 'incident 7' },
      ],
    });
  });

  it('starts with an empty list if nothing is revoked', async () => {
    const stream = await listen('a');
    await waitUntil(() => stream.lines.length === 1);
    expect(stream.lines).toEqual([{ type: 'revocations', active: [] }]);
  });

  it('sends a revocation to the pod that it names, and not to others', async () => {
    const [one, other] = [await listen('a'), await listen('b')];
    await waitUntil(() => one.lines.length === 1 && other.lines.length === 1);
    harness.revoke(buildRevocation('a only', { pod: { namespace: 'research', name: 'agent-a' } }));
    await waitUntil(() => one.names() === 'a only');
    harness.revoke(buildRevocation("b's run", { run: 'b-7' }));
    await waitUntil(() => one.names() === '' && other.names() === "b's run");
    expect(other.lines).toHaveLength(2);
  });

  it('omits completions by the authority: the sidecar has already erased the run', async () => {
    const stream = await listen('a');
    const completed = buildRevocation('run-a-1', {
      run: 'a-1',
      reason: 'completed',
      by: 'authority',
    });
    harness.revoke(completed, buildRevocation('marker', { all: true }));
    await waitUntil(() => stream.names() === 'marker');
  });

  it('sends a Revocation of a run that the authority itself created', async () => {
    const stream = await listen('a');
    harness.revoke(buildRevocation('signal-1', { run: 'a-1', by: 'authority' }));
    await waitUntil(() => stream.names() === 'signal-1');
  });

  it('sends a heartbeat every five seconds', async () => {
    const stream = await listen('a');
    await waitUntil(() => stream.lines.length === 1);
    advanceHeartbeat();
    advanceHeartbeat();
    await waitUntil(() => stream.lines.length === 3);
    expect(stream.lines.slice(1)).toEqual([{ type: 'heartbeat' }, { type: 'heartbeat' }]);
  });

  it('ends when its token expires, without a reconnect line', async () => {
    const stream = await listen('a');
    harness.state.now = NOON + 600_000;
    advanceHeartbeat();
    await waitUntil(() => stream.isOver());
    expect(stream.lines.at(-1)).toEqual({ type: 'revocations', active: [] });
    expect(harness.streams.count()).toBe(0);
  });

  it('asks the pod to reconnect when the revocations become stale', async () => {
    const stream = await listen('a');
    harness.state.isCurrent = false;
    advanceHeartbeat();
    await waitUntil(() => stream.isOver());
    expect(stream.lines.at(-1)).toEqual({ type: 'reconnect' });
  });

  it('is removed when its client disconnects, and its pod is no longer searched for runs', async () => {
    const stream = await listen('a');
    await waitUntil(() => harness.streams.count() === 1);
    stream.close();
    await waitUntil(() => harness.streams.count() === 0);
    expect(harness.counts.at(-1)).toBe(0);
    harness.revoke(buildRevocation('one', { run: 'a-1' }));
    expect(harness.tried).toEqual([]);
  });

  it('does not start if its client disconnects during authentication', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    harness.state.authenticated = promise.then(() => undefined);
    const { port } = harness.server.address() as AddressInfo;
    const request = get({ port, host: '127.0.0.1', headers: { Authorization: 'Bearer a' } });
    request.on('error', () => undefined);
    await waitUntil(() => harness.responses.length === 1);
    request.destroy();
    await waitUntil(() => harness.responses[0]?.destroyed === true);
    resolve(undefined);
    await new Promise((later) => setImmediate(later));
    expect(harness.counts).toEqual([]);
  });

  it('is closed after two heartbeats if the client reads too slowly', async () => {
    const stream = await listen('a');
    await waitUntil(() => stream.lines.length === 1);
    Object.defineProperty(harness.responses[0], 'writableLength', { value: 10 });
    advanceHeartbeat();
    expect(harness.streams.count()).toBe(1);
    advanceHeartbeat();
    await waitUntil(() => stream.isOver());
    expect(harness.streams.count()).toBe(0);
  });

  it('is closed if the client does not read', async () => {
    const { port } = harness.server.address() as AddressInfo;
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\n\r\n');
    socket.pause();
    await waitUntil(() => harness.streams.count() === 1);
    const reason = 'x'.repeat(200);
    for (let n = 0; harness.streams.count() === 1; n += 1) {
      if (n > 2_000) throw new Error('never cut');
      const many = Array.from({ length: 50 }, (_, m) =>
        buildRevocation(`${n}-${m}`, { all: true, reason }),
      );
      harness.revoke(...many);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.destroy();
  });
});

describe('event streams', () => {
  it('are limited to the newest two of one pod', async () => {
    const first = await listen('a');
    const second = await listen('a');
    const third = await listen('a');
    await waitUntil(() => first.isOver());
    expect(first.lines.map(({ type }) => type)).not.toContain('reconnect');
    harness.revoke(buildRevocation('one', { all: true }));
    await waitUntil(() => second.names() === 'one' && third.names() === 'one');
    expect(harness.streams.count()).toBe(2);
  });

  it('are limited in total: the next request is refused as overloaded', async () => {
    for (let n = 0; n < 20; n += 1) await listen(`p${n}`);
    expect((await listen('one more')).response.statusCode).toBe(503);
    expect(harness.errors).toMatchObject([{ code: 'overloaded' }]);
  });

  it('are not opened for a refused token', async () => {
    expect((await listen('bad')).response.statusCode).toBe(503);
    expect(harness.errors).toMatchObject([{ name: 'IdentityError', code: 'token_expired' }]);
    expect(harness.streams.count()).toBe(0);
  });

  it('are not opened while the revocations are not loaded', async () => {
    harness.state.isCurrent = false;
    await listen('a');
    expect(harness.errors).toMatchObject([{ code: 'revocations_unavailable' }]);
  });

  it('all end with a reconnect line when the authority drains, and no new one starts', async () => {
    const all = [await listen('a'), await listen('b'), await listen('c')];
    const began = performance.now();
    await harness.streams.drain(90);
    expect(performance.now() - began).toBeGreaterThan(80);
    await waitUntil(() => all.every(({ isOver }) => isOver()));
    expect(all.map(({ lines }) => lines.at(-1)?.type)).toEqual([
      'reconnect',
      'reconnect',
      'reconnect',
    ]);
    await listen('d');
    expect(harness.errors).toMatchObject([{ code: 'draining' }]);
  });
});
