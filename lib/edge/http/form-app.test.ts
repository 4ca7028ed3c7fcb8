import { connect, type TLSSocket } from 'node:tls';

import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';

import {
  createCertificateAuthority,
  signLeaf,
  type Leaf,
} from '../../certificate/certificate-authority.ts';
import { createFormApp, type FormAppDeps } from './form-app.ts';
import { createHttpsServer, type HttpsServerOptions, type HttpsServer } from './https-server.ts';

const NAME = 'authority.valetkey.svc';
let leaf: Leaf;
beforeAll(async () => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  leaf = await signLeaf(await createCertificateAuthority(terms), { names: [NAME], ...terms });
});

const servers: HttpsServer[] = [];
const sockets: TLSSocket[] = [];
afterEach(async () => {
  sockets.splice(0).forEach((socket) => socket.destroy());
  for (const server of servers.splice(0)) await server.drain({ lingerMs: 0, graceMs: 0 });
});

const serve = async (app: Partial<FormAppDeps> = {}, limits: Partial<HttpsServerOptions> = {}) => {
  const server = createHttpsServer(
    createFormApp({
      posts: { '/echo': ({ form }) => Promise.resolve({ status: 200, body: { form } }) },
      texts: {},
      documents: {},
      streams: {},
      guard: () => undefined,
      refuse: (reason) => ({ status: 400, body: { reason } }),
      reportInternalError: () => ({ status: 500, body: { reason: 'error-1' } }),
      ...app,
    }),
    limits,
  );
  server.useCertificate(leaf);
  servers.push(server);
  return server.listen({ host: '127.0.0.1', port: 0 });
};

/** Sends a head and what there is of a body, and answers all that comes until the end. */
const sendRaw = (port: number, ...parts: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', ca: leaf.issuer, servername: NAME }, () => {
      for (const part of parts) socket.write(part);
    });
    sockets.push(socket);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', () => undefined).on('close', () => resolve(text));
  });

const renderHead = (length: number, more = ''): string =>
  `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n${more}Content-Length: ${length}\r\n\r\n`;

describe('createFormApp', () => {
  test('closes a request whose body takes too long', async () => {
    const port = await serve({}, { requestTimeoutMs: 200 });
    const text = await sendRaw(port, renderHead(1_000), 'a=');
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('closes a request whose headers take too long', async () => {
    const port = await serve({}, { requestTimeoutMs: 200 });
    expect(await sendRaw(port, 'POST /echo HTTP/1.1\r\nHost: x\r\n')).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('rejects a request with two lengths', async () => {
    const port = await serve();
    const text = await sendRaw(port, renderHead(2, 'Transfer-Encoding: chunked\r\n'), 'a=');
    expect(text).not.toContain('form');
  });

  test('refuses requests above the rate before it reads them, and keeps serving', async () => {
    let isFlood = true;
    const port = await serve({
      guard: () => (isFlood ? { status: 429, body: { reason: 'flood' } } : undefined),
    });
    const closing = 'Connection: close\r\n';
    expect(await sendRaw(port, renderHead(3, closing), 'a=1')).toMatch(/^HTTP\/1\.1 429 /);
    isFlood = false;
    expect(await sendRaw(port, renderHead(3, closing), 'a=1')).toContain('{"form":"a=1"}');
  });

  test('returns only the configured response for an internal error', async () => {
    const port = await serve({ posts: { '/echo': () => Promise.reject(new Error('secret')) } });
    const text = await sendRaw(port, renderHead(3, 'Connection: close\r\n'), 'a=1');
    expect(text).toMatch(/^HTTP\/1\.1 500 /);
    expect(text).toContain('error-1');
    expect(text).not.toContain('secret');
  });
});

describe('the connection limit', () => {
  test('applies to each address', async () => {
    const port = await serve({}, { perPeer: 2 });
    const open = (): Promise<boolean> =>
      new Promise((resolve) => {
        const terms = { port, host: '127.0.0.1', ca: leaf.issuer, servername: NAME };
        const socket = connect(terms, () => resolve(true));
        sockets.push(socket);
        socket.on('error', () => resolve(false));
      });
    expect([await open(), await open(), await open()]).toEqual([true, true, false]);
    const [first] = sockets;
    const gone = new Promise((resolve) => first?.once('close', resolve));
    first?.destroy();
    await gone;
    for (let attempt = 0; ; attempt += 1) {
      if (await open()) break;
      if (attempt > 50) throw new Error('a closed connection still counts');
    }
  });
});
