import type { RequestListener } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createGatewayServer } from './gateway-listener.ts';

const STALL_MS = 50;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const start = async (handler: RequestListener): Promise<Socket> => {
  const { server, close } = createGatewayServer(handler, { stallMs: STALL_MS });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(close);
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  closers.push(() => socket.destroy());
  return socket.on('error', () => undefined);
};

const waitForClose = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

describe('createGatewayServer', () => {
  it('closes a client that does not send the rest of its body', async () => {
    const socket = await start((incoming) => incoming.resume());
    socket.resume().write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf');
    await waitForClose(socket);
  });

  it('closes a client that does not read its response', async () => {
    const socket = await start((incoming, outgoing) => {
      incoming.resume();
      const fill = (): void => {
        while (outgoing.write(Buffer.alloc(1 << 16))) continue;
        outgoing.once('drain', fill);
      };
      outgoing.once('close', onClose);
      fill();
    });
    let onClose = (): void => undefined;
    const closed = new Promise<void>((resolve) => (onClose = resolve));
    socket.pause().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await closed;
  });

  it('does not close a client that waits for the cloud, however long', async () => {
    const socket = await start((incoming, outgoing) => {
      incoming.resume();
      void pause(STALL_MS * 5).then(() => outgoing.end('late'));
    });
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toContain('late');
  });
});
