import { Agent, request } from 'node:https';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';

import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';

import {
  createCertificateAuthority,
  signLeaf,
  type CertificateAuthority,
  type Leaf,
} from '../../certificate/certificate-authority.ts';
import { waitFor } from '../../../test/kit/retry.ts';
import { createJsonApp, type JsonAppDeps } from './json-app.ts';
import { createHttpsServer, type HttpsServer } from './https-server.ts';

const NAME = 'webhook.valetkey.svc';
let authorities: CertificateAuthority[];
let leaves: Leaf[];
beforeAll(async () => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  authorities = await Promise.all([
    createCertificateAuthority(terms),
    createCertificateAuthority(terms),
  ]);
  leaves = await Promise.all(authorities.map((one) => signLeaf(one, { names: [NAME], ...terms })));
});

const opened: { server: HttpsServer; agent: Agent }[] = [];
afterEach(async () => {
  for (const { server, agent } of opened.splice(0)) {
    agent.destroy();
    await server.drain({ lingerMs: 0, graceMs: 0 });
  }
});

type Answer = {
  readonly status: number;
  readonly headers: NodeJS.Dict<unknown>;
  readonly text: string;
};
type SendRequest = (
  path: string,
  body?: string,
  headers?: Record<string, string>,
) => Promise<Answer>;

const serve = async (app: Partial<JsonAppDeps> = {}) => {
  const server = createHttpsServer(
    createJsonApp({
      posts: { '/echo': (body) => Promise.resolve({ status: 200, body: { body } }) },
      unready: () => [],
      reportInternalError: () => 'e-1',
      ...app,
    }),
  );
  server.useCertificate(getLeaf(0));
  const port = await server.listen({ host: '127.0.0.1', port: 0 });
  const ca = authorities.map(({ certificate }) => certificate);
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca, servername: NAME });
  opened.push({ server, agent });
  const ask: SendRequest = (path, body, headers = { 'Content-Type': 'application/json' }) =>
    new Promise((resolve, reject) => {
      const method = body === undefined ? 'GET' : 'POST';
      request({ host: '127.0.0.1', port, path, method, headers, agent }, (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.on('end', () => {
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
        });
      })
        .on('error', reject)
        .end(body);
    });
  return { server, agent, port, ask };
};

const getLeaf = (index: number): Leaf => {
  const leaf = leaves[index];
  if (leaf === undefined) throw new Error('no such leaf');
  return leaf;
};

const connectTls = (port: number, options: ConnectionOptions): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: NAME, ...options }, () =>
      resolve(socket),
    );
    socket.on('error', reject);
  });

describe('useCertificate', () => {
  test('serves new connections with the new certificate and does not affect open ones', async () => {
    const { server, agent, port, ask } = await serve();
    let sockets = 0;
    agent.on('free', () => (sockets += 1));
    expect((await ask('/healthz')).status).toBe(200);
    const [before] = Object.values(agent.freeSockets).flat() as TLSSocket[];

    server.useCertificate(getLeaf(1));
    expect((await ask('/healthz')).status).toBe(200);
    const [after] = Object.values(agent.freeSockets).flat() as TLSSocket[];
    expect(after).toBe(before);

    const onlyNew = await connectTls(port, { ca: authorities[1]?.certificate ?? '' });
    expect(onlyNew.authorized).toBe(true);
    onlyNew.destroy();
    await expect(connectTls(port, { ca: authorities[0]?.certificate ?? '' })).rejects.toThrow();
    expect(sockets).toBeGreaterThan(0);
  });
});

describe('createHttpsServer', () => {
  test('accepts only TLS 1.2 and 1.3, and only HTTP/1.1', async () => {
    const { port } = await serve();
    const ca = authorities[0]?.certificate ?? '';
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const socket = await connectTls(port, { ca, minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
      socket.destroy();
    }
    const old = {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const;
    await expect(connectTls(port, { ca, ...old })).rejects.toThrow();
    await expect(connectTls(port, { ca, ALPNProtocols: ['h2'] })).rejects.toThrow();
  });

  test('counts open connections, and those that were closed no more', async () => {
    const { server, port } = await serve();
    expect(server.connections()).toEqual({ used: 0, max: 1024 });
    const socket = await connectTls(port, { ca: authorities[0]?.certificate ?? '' });
    expect(server.connections()).toEqual({ used: 1, max: 1024 });
    socket.destroy();
    await waitFor('the connection to be closed', () => server.connections().used === 0);
  });

  test('reads JSON of at most 3 MiB', async () => {
    const { ask } = await serve();
    const body = JSON.stringify('x'.repeat(3 * 1024 * 1024 - 2));
    expect((await ask('/echo', `[${body.slice(2)}`.slice(0, 10))).status).toBe(400);
    expect((await ask('/echo', JSON.stringify(['x'.repeat(3 * 1024 * 1024 - 4)]))).status).toBe(
      200,
    );
    expect((await ask('/echo', JSON.stringify(['x'.repeat(3 * 1024 * 1024)]))).status).toBe(413);
  });

  test('reports what is wrong with a body and nothing else', async () => {
    const { ask } = await serve();
    expect(JSON.parse((await ask('/echo', '{"secret":')).text)).toEqual({
      message: '(body): expected JSON, got something else',
    });
    const zipped = { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' };
    expect((await ask('/echo', 'x', zipped)).status).toBe(415);
    for (const type of ['text/plain', 'application/json; charset=utf-16', 'application/jsonx']) {
      expect((await ask('/echo', '{}', { 'Content-Type': type })).status).toBe(415);
    }
    const utf8 = { 'Content-Type': 'application/json; charset=UTF-8' };
    expect((await ask('/echo', '{"a":"ä"}', utf8)).text).toBe('{"body":{"a":"ä"}}');
  });

  test('returns 404 for other routes', async () => {
    const { ask } = await serve();
    expect((await ask('/')).status).toBe(404);
    expect((await ask('/echo')).status).toBe(404);
    expect((await ask('/healthz', '{}')).status).toBe(404);
  });

  test('lists what is missing while it is not ready', async () => {
    const { ask } = await serve({ unready: () => ['certificate'] });
    const { status, text } = await ask('/readyz');
    expect({ status, text }).toEqual({
      status: 503,
      text: '{"status":"not ready","missing":["certificate"]}',
    });
  });

  test('returns only an ID for an internal error', async () => {
    const bugs: unknown[] = [];
    const boom = new Error('the pod was …');
    const { ask } = await serve({
      posts: { '/echo': () => Promise.reject(boom) },
      reportInternalError: (error) => {
        bugs.push(error);
        return 'e-42';
      },
    });
    const { status, text, headers } = await ask('/echo', '{}');
    expect({ status, text }).toEqual({ status: 500, text: '{"message":"internal error e-42"}' });
    expect(bugs).toEqual([boom]);
    expect(headers['x-powered-by']).toBeUndefined();
  });

  test('refuses headers above 16 KiB', async () => {
    const { ask } = await serve();
    const { status } = await ask('/healthz', undefined, { 'X-Large': 'x'.repeat(17_000) });
    expect(status).toBe(431);
  });
});

describe('drain', () => {
  test('finishes pending responses, closes each connection, and accepts no new one', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let arrived = (): void => undefined;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    const { server, port, ask } = await serve({
      posts: {
        '/slow': async () => {
          arrived();
          await held;
          return { status: 200, body: { done: true } };
        },
      },
    });
    const slow = ask('/slow', '{}');
    await arrival;
    let isDrained = false;
    const drained = server.drain({ lingerMs: 0, graceMs: 60_000 }).then(() => (isDrained = true));
    await waitFor('new connections to be refused', async () => {
      const connection = connectTls(port, { ca: authorities[0]?.certificate ?? '' });
      return connection.then(
        (socket) => {
          socket.destroy();
          return false;
        },
        (error: unknown) => String(error).includes('ECONNREFUSED'),
      );
    });
    expect(isDrained).toBe(false);
    release();
    expect(await slow).toMatchObject({ status: 200, text: '{"done":true}' });
    await drained;
  }, 60_000);

  test('keeps serving while it lingers, and each response closes its connection', async () => {
    const { server, ask } = await serve();
    expect((await ask('/healthz')).headers['connection']).toBe('keep-alive');
    const drained = server.drain({ lingerMs: 300, graceMs: 0 });
    const { status, headers } = await ask('/healthz');
    expect({ status, connection: headers['connection'] }).toEqual({
      status: 200,
      connection: 'close',
    });
    await drained;
  });

  test('serves requests that arrived while the process had no CPU time', async () => {
    const { server, ask } = await serve();
    await ask('/healthz');
    const drained = server.drain({ lingerMs: 20, graceMs: 0 });
    const asked = ask('/healthz');
    for (let tick = 0; tick < 20; tick += 1) await new Promise((next) => process.nextTick(next));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
    expect((await asked).status).toBe(200);
    await drained;
  });

  test('continues while requests arrive, up to a limit', async () => {
    const { server, ask } = await serve();
    const from = performance.now();
    const drained = server
      .drain({ lingerMs: 100, graceMs: 0 })
      .then(() => performance.now() - from);
    const answers: number[] = [];
    const askOn = async (): Promise<void> => {
      for (;;) answers.push((await ask('/healthz')).status);
    };
    const refused = askOn().catch((error: unknown) => (error as NodeJS.ErrnoException).code);
    expect(await drained).toBeGreaterThan(250);
    expect(await refused).toMatch(/ECONNREFUSED|ECONNRESET/);
    expect(new Set(answers)).toEqual(new Set([200]));
  });

  test('closes responses that take longer than the grace period', async () => {
    const never = new Promise<never>(() => undefined);
    let arrived = (): void => undefined;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    const { server, ask } = await serve({
      posts: {
        '/slow': () => {
          arrived();
          return never;
        },
      },
    });
    const slow = ask('/slow', '{}');
    slow.catch(() => undefined);
    await arrival;
    await server.drain({ lingerMs: 0, graceMs: 10 });
    await expect(slow).rejects.toThrow();
  });
});
