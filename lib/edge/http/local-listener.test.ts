import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { waitUntil } from '../../../test/kit/retry.ts';
import { closeListener, createLocalServer, listenOnAddress } from './local-listener.ts';

const REFUSED = {
  'a tunnel': 'CONNECT cloud.example:443 HTTP/1.1\r\nHost: cloud.example:443\r\n\r\n',
  'what is no HTTP': 'no request\r\n\r\n',
};

let server: Server;

const send = async (text: string): Promise<Socket> => {
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return socket;
};

const countConnections = (): Promise<number> =>
  new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));

beforeEach(async () => {
  server = createLocalServer((_request, response) => response.end());
  await listenOnAddress(server, { host: '127.0.0.1', port: 0, setting: 'VALETKEY_TEST' });
});

afterEach(() => closeListener(server));

describe.each(Object.entries(REFUSED))('a client that sends %s', (_what, text) => {
  test('and resets the connection does not end the program', async () => {
    const uncaught: unknown[] = [];
    const listen = (thrown: unknown): number => uncaught.push(thrown);
    process.on('uncaughtException', listen);
    for (let turn = 0; turn < 8; turn += 1) {
      const socket = await send(text);
      const closed = once(socket, 'close');
      if (turn % 2 === 0) await once(socket, 'data');
      socket.resetAndDestroy();
      await closed;
    }
    await waitUntil(async () => (await countConnections()) === 0);
    process.off('uncaughtException', listen);
    expect(uncaught).toEqual([]);
  });

  test('and never closes the connection keeps no connection open', async () => {
    const socket = await send(text);
    await once(socket.resume(), 'end');
    await waitUntil(async () => (await countConnections()) === 0);
    socket.destroy();
  });
});

test('writes no refusal into a response that is being sent', async () => {
  await closeListener(server);
  server = createLocalServer((_request, response) => {
    response.writeHead(200, { 'content-length': 1_000 }).write('begun');
  });
  await listenOnAddress(server, { host: '127.0.0.1', port: 0, setting: 'VALETKEY_TEST' });
  const socket = await send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    if (text === '') socket.write('no request\r\n\r\n');
    text += chunk.toString();
  });
  await once(socket, 'end');
  socket.destroy();
  expect(text).toMatch(/^HTTP\/1\.1 200 OK[^]*\r\n\r\nbegun$/);
});
