import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { lookup } from 'node:dns';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CallRun } from '../../calls/call-runs.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import { renderStartupPacket } from '../../postgres/startup.ts';
import { buildTask } from '../../runs/fixtures/fake-exchange.ts';
import { PASSWORD, READY, startFakeDatabase } from './fixtures/fake-database.ts';
import { createSessionHandler, type SessionDeps } from './session-handler.ts';
import { pipeSession } from './session-pipe.ts';
import { connectServer } from './server-connection.ts';

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const allow = [{ actions: ['postgres:connect'], resources: ['postgres://up/shop'] }];
const task = buildTask({ provider: 'postgres', role: 'up/reader', allow });

/** A session of one client at a database. */
const start = async (changes: Partial<SessionDeps> = {}, release = (): void => undefined) => {
  const database = await startFakeDatabase((socket) => void socket.write(READY));
  const recorded: EndedCall[] = [];
  const failures: unknown[] = [];
  const run: Partial<CallRun> = {
    ...{ run: 'run-1', task: task.name, allow, release },
    secret: { kind: 'postgres', upstream: 'up', ...database.server, user: 'u', password: PASSWORD },
    signal: new AbortController().signal,
  };
  const handler = createSessionHandler({
    resolveRun: () => Promise.resolve(run as CallRun),
    identifyToken: () => undefined,
    isJournalBlocked: () => false,
    createId: () => 'call-1',
    clock: { now: () => 0, monotonic: () => 0 },
    record: (call) => recorded.push(call),
    ended: () => undefined,
    failed: (thrown) => failures.push(thrown),
    ...changes,
  });
  const accepted = Promise.withResolvers<Socket>();
  const handled = Promise.withResolvers<undefined>();
  const listener = createServer({ pauseOnConnect: true }, (socket) => {
    accepted.resolve(socket);
    handler
      .handle(socket, { task, consumer: 'agent' })
      .then(() => handled.resolve(undefined), handled.reject);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined).resume();
  closers.push(
    database.close,
    () => listener.close(),
    () => client.destroy(),
  );
  client.write(renderStartupPacket(new Map(), { user: 'agent', database: 'shop' }));
  const socket = await accepted.promise;
  return { handler, handled: handled.promise, client, socket, database, recorded, failures };
};

const waitClosed = async (socket: Socket): Promise<void> => {
  if (!socket.closed) await once(socket, 'close');
};

describe('createSessionHandler', () => {
  it('ends a session whose client is closed while the database is connected', async () => {
    let close = (): unknown => undefined;
    const session = await start({
      lookup: (host, options, done) => {
        close();
        lookup(host, options, done);
      },
    });
    close = () => session.socket.destroy();
    await session.handled;
    await session.handler.waitIdle();
    await Promise.all(session.database.sessions.map(waitClosed));
    expect(session.recorded).toMatchObject([{ outcome: 'cut', code: 'client_closed' }]);
  });

  it.each<[string, Partial<SessionDeps>, () => void]>([
    ['the journal', { record: () => fail() }, () => undefined],
    ['the metrics', { ended: () => fail() }, () => undefined],
    ['the release of a run', { isJournalBlocked: () => false }, () => fail()],
    ['a run', { resolveRun: () => Promise.reject(new RangeError('secret')) }, () => undefined],
    ['an ID', { createId: () => fail() }, () => undefined],
  ])('closes the connection when %s fails, and names the failure', async (_, changes, release) => {
    const session = await start(changes, release);
    session.client.end();
    await session.handled;
    await waitClosed(session.client);
    await session.handler.waitIdle();
    await Promise.all(session.database.sessions.map(waitClosed));
    expect(session.failures).toContainEqual(expect.any(RangeError));
    expect(session.handler.countSessions()).toBe(0);
  });
});

const fail = (): never => {
  throw new RangeError('secret');
};

describe('pipeSession', () => {
  it.each(['client', 'server'] as const)(
    'closes both sides when the %s was closed before',
    async (side) => {
      const database = await startFakeDatabase();
      const listener = createServer().listen(0, '127.0.0.1');
      await once(listener, 'listening');
      const accepted = once(listener, 'connection');
      const other = connect((listener.address() as AddressInfo).port, '127.0.0.1').resume();
      closers.push(
        database.close,
        () => listener.close(),
        () => other.destroy(),
      );
      const [client] = (await accepted) as [Socket];
      const server = await connectServer(database.server, {});
      const closed = side === 'client' ? client : server;
      await once(closed.destroy(), 'close');
      expect(await pipeSession(client, server, undefined)).toEqual({ outcome: 'allowed' });
      await Promise.all([client, server].map(waitClosed));
    },
  );
});
