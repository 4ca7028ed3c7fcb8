import { once } from 'node:events';
import { request, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createConnectionLimiter } from './connection-limits.ts';
import { closeListener, createLocalServer, listenOnAddress } from './local-listener.ts';
import { waitUntil } from '../../../test/kit/retry.ts';

let server: Server;
let port: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = createLocalServer();
  await listenOnAddress(server, { host: '127.0.0.1', port: 0, setting: 'VALETKEY_TEST' });
  const assign = createConnectionLimiter(server);
  server.on('request', (asked, response) => {
    if (asked.headers.authorization !== undefined)
      assign(asked.socket, asked.headers.authorization);
    response.end('served');
  });
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await closeListener(server);
});

/** Opens connections that send `text` and then wait indefinitely. */
const connectMany = async (count: number, text: string): Promise<readonly Socket[]> => {
  const opened = Array.from({ length: count }, () => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.resume();
    return socket;
  });
  sockets.push(...opened);
  await Promise.all(opened.map((socket) => once(socket, 'connect')));
  for (const socket of opened) socket.write(text);
  return opened;
};

const sendRequest = (owner: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: owner };
    request({ port, host: '127.0.0.1', headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });

const countOpen = (all: readonly Socket[]): number =>
  all.filter((socket) => socket.readyState === 'open').length;

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n';

describe('createConnectionLimiter', () => {
  test('serves a client in spite of 1,500 idle connections', async () => {
    const halfOpen = await connectMany(1_500, REQUEST);
    expect(await sendRequest('agent')).toBe(200);
    await waitUntil(() => countOpen(halfOpen) <= 512);
  });

  test('serves every client of a burst of 500', async () => {
    const [early] = (await connectMany(1, '')) as [Socket];
    let accepted = 0;
    server.on('connection', () => (accepted += 1));
    const cut = once(early, 'close');
    await connectMany(500, '');
    await waitUntil(() => accepted === 500);
    early.write(`${REQUEST}\r\n`);
    const [came] = (await Promise.race([once(early, 'data'), cut])) as unknown[];
    expect(String(came)).toMatch(/^HTTP\/1.1 200/);
  });

  test('closes connections of one owner above 256 and none of another', async () => {
    const held = await connectMany(257, `${REQUEST}Authorization: greedy\r\n\r\n`);
    await waitUntil(() => countOpen(held) === 256);
    expect(await sendRequest('modest')).toBe(200);
    await expect(sendRequest('greedy')).rejects.toThrow();
    held.slice(0, 10).forEach((socket) => socket.destroy());
    await waitUntil(() => countOpen(held) < 250);
    await waitUntil(async () => (await sendRequest('greedy').catch(() => 0)) === 200);
  });

  test("never closes an owner's connection for unauthenticated ones", async () => {
    const held = await connectMany(20, `${REQUEST}Authorization: agent\r\n\r\n`);
    await Promise.all(held.map((socket) => once(socket, 'data')));
    await connectMany(1_500, REQUEST);
    expect(await sendRequest('agent')).toBe(200);
    expect(countOpen(held)).toBe(20);
  });
});
