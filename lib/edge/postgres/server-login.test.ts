import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { renderMessage, renderText } from '../../postgres/messages.ts';
import { PASSWORD, READY, startFakeDatabase } from './fixtures/fake-database.ts';
import { DatabaseError } from './database-error.ts';
import { connectServer } from './server-connection.ts';
import { logIn } from './server-login.ts';

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

const login = { user: 'u', password: PASSWORD, database: 'shop', parameters: new Map() };

const tryLogin = async (
  answer: Parameters<typeof startFakeDatabase>[0],
  { timeoutMs = 60_000 } = {},
) => {
  const database = await startFakeDatabase(answer);
  closers.push(database.close);
  const socket = await connectServer(database.server, {});
  closers.push(() => socket.destroy());
  const forwarded: Buffer[] = [];
  const forward = (bytes: Buffer): void => void forwarded.push(bytes);
  const ended = await logIn(socket, { ...login, timeoutMs }, forward).then(
    () => 'ready',
    (thrown: unknown) =>
      thrown instanceof DatabaseError ? `${thrown.kind}: ${thrown.message}` : 'failed',
  );
  return { ended, bytes: Buffer.concat(forwarded).length };
};

const STATUS = renderMessage('S', Buffer.concat([renderText('TimeZone'), renderText('UTC')]));
const LARGE = renderMessage('N', Buffer.alloc(60_000));

describe('logIn', () => {
  it('passes the parameters of a session up to its beginning', async () => {
    const { ended, bytes } = await tryLogin((socket) => {
      for (let index = 0; index < 30; index += 1) socket.write(STATUS);
      socket.write(READY);
    });
    expect(ended).toBe('ready');
    expect(bytes).toBeGreaterThan(30 * STATUS.length);
  });

  it('ends a login that the server does not answer in time', async () => {
    const { ended } = await tryLogin(undefined, { timeoutMs: 1 });
    expect(ended).toBe('unreachable: expected a login within 0.001 s, got none');
  });

  it('ends a login on a connection that has closed already', async () => {
    const database = await startFakeDatabase();
    closers.push(database.close);
    const socket = await connectServer(database.server, {});
    socket.destroy();
    await once(socket, 'close');
    await expect(logIn(socket, login)).rejects.toThrow('closed the connection during the login');
  });

  it.each([
    ['more messages', Buffer.concat(Array.from({ length: 2_000 }, () => STATUS))],
    ['more bytes', Buffer.concat(Array.from({ length: 10 }, () => LARGE))],
  ])('refuses a server that sends %s than a login has', async (_, sent) => {
    const { ended, bytes } = await tryLogin((socket) => {
      socket.write(sent);
      socket.write(READY);
    });
    expect(ended).toMatch(/^untrusted: .*expected at most/);
    expect(bytes).toBeLessThan(200_000);
  });
});
