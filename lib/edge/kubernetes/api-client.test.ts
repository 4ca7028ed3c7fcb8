import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, it } from '@jest/globals';

import { createBufferedPool } from '../http/buffered-pool.ts';
import { createApiClient, type ApiClientOptions } from './api-client.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Starts an API server; `connections` holds the client's port of each request. */
const startServer = async (
  handle: (request: IncomingMessage, answer: ServerResponse) => void,
  options: ApiClientOptions = {},
) => {
  const connections: number[] = [];
  const server = createServer((request, answer) => {
    connections.push(request.socket.remotePort ?? 0);
    handle(request, answer);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  const setToken = (token: string): void => {
    const cluster = { name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
    config.loadFromClusterAndUser(cluster, { name: 'us', token });
  };
  setToken('own-token');
  return {
    connections,
    setToken,
    calls: createApiClient({ config }, { timeoutMs: 30_000, ...options }),
  };
};

const get = { method: 'GET', path: '/x' } as const;

describe.each<readonly [string, ApiClientOptions]>([
  ['agents', {}],
  ['a pool', { createPool: createBufferedPool }],
])('createApiClient with %s', (_kind, options) => {
  const start: typeof startServer = (handle, more) => startServer(handle, { ...options, ...more });

  it('sends its own token and reuses the connection', async () => {
    const shown: unknown[] = [];
    const { calls, connections } = await start(({ headers }, answer) => {
      shown.push(headers.authorization);
      answer.end('{"a":1}');
    });
    expect(await calls('get x', get)).toEqual({ a: 1 });
    // A pool uses a connection again after a turn of the event loop.
    await new Promise(setImmediate);
    await calls('get x', get);
    expect(shown).toEqual(['Bearer own-token', 'Bearer own-token']);
    expect(new Set(connections).size).toBe(1);
  });

  it('reads the token again after status 401', async () => {
    const { calls, setToken } = await start(({ headers }, answer) => {
      answer.statusCode = headers.authorization === 'Bearer next' ? 200 : 401;
      answer.end('{}');
    });
    await expect(calls('get x', get)).rejects.toMatchObject({ status: 401 });
    setToken('next');
    expect(await calls('get x', get)).toEqual({});
  });

  it('repeats a call when a reused connection was closed', async () => {
    let count = 0;
    const { calls, connections } = await start(({ socket }, answer) => {
      count += 1;
      if (count === 2) socket.destroy();
      else answer.end('{}');
    });
    await calls('get x', get);
    await calls('get x', get);
    expect(connections).toHaveLength(3);
  });

  it('does not repeat a call that is not idempotent', async () => {
    let count = 0;
    const { calls } = await start(({ socket }, answer) => {
      count += 1;
      if (count === 2) socket.destroy();
      else answer.end('{}');
    });
    const post = { method: 'POST', path: '/x', body: {} } as const;
    await calls('create x', post);
    await expect(calls('create x', post)).rejects.toMatchObject({ code: 'unavailable' });
    expect(count).toBe(2);
  });

  it.each([
    ['POST', 'application/json'],
    ['PATCH', 'application/merge-patch+json'],
    ['DELETE', 'application/json'],
  ] as const)('sends the body of %s as %s', async (method, type) => {
    const got: unknown[] = [];
    const { calls } = await start((request, answer) => {
      request.on('data', (chunk: Buffer) => got.push(chunk.toString()));
      request.on('end', () => {
        got.push(request.headers['content-type']);
        answer.end('{}');
      });
    });
    await calls('change x', { method, path: '/x', body: { a: '€' } });
    await calls('get x', get);
    expect(got).toEqual(['{"a":"€"}', type, undefined]);
  });

  const doNothing = (): void => undefined;
  const broken: [string, (request: IncomingMessage, answer: ServerResponse) => void][] = [
    ['does not respond', doNothing],
    ['closes the connection', ({ socket }) => socket.destroy()],
    ['ends the connection within a response', (_request, answer) => answer.write('{"half":')],
    [
      'responds with text that is not JSON',
      (_request, answer) => answer.end('a secret that we sent'),
    ],
    [
      'sends a response that is too long',
      (_request, answer) => answer.end('x'.repeat(9 * 1024 * 1024)),
    ],
    ['redirects', (_request, answer) => answer.writeHead(302, { Location: '/y' }).end('{}')],
  ];
  it.each(broken)(
    'fails when the server %s, without quoting the response',
    async (_what, handle) => {
      const { calls } = await start(handle, { timeoutMs: 500 });
      const failure = (await calls('get x', get).catch((error: unknown) => error)) as Error;
      expect(failure).toMatchObject({ name: 'KubernetesError', culprit: 'get x' });
      expect(failure.message).not.toContain('secret');
    },
  );

  it.each([
    [404, 'notFound'],
    [409, 'conflict'],
    [403, 'refused'],
    [429, 'unavailable'],
    [503, 'unavailable'],
  ])('converts status %i to error %s', async (status, code) => {
    const { calls } = await start((_request, answer) => answer.writeHead(status).end('{}'));
    await expect(calls('get x', get)).rejects.toMatchObject({ code, status });
  });
});

describe('createApiClient with a kubeconfig', () => {
  const reached = async (cluster: (origin: string) => object): Promise<readonly unknown[]> => {
    const seen: unknown[] = [];
    const server = createServer(({ url, headers }, answer) => {
      seen.push([url, headers.host]);
      answer.end('{}');
    });
    server.on('connect', ({ url }: IncomingMessage, socket: Socket) => {
      seen.push(`CONNECT ${url ?? ''}`);
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      server.emit('connection', socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const config = new KubeConfig();
    const made = { name: 'fake', skipTLSVerify: true, ...cluster(`http://127.0.0.1:${port}`) };
    config.loadFromClusterAndUser(made as never, { name: 'us' });
    await createApiClient({ config }, { timeoutMs: 30_000, createPool: createBufferedPool })(
      'get x',
      get,
    );
    return seen.map((each) => JSON.stringify(each).replaceAll(`${port}`, 'PORT'));
  };

  it.each(['', '/'])('supports an API server below a path%s', async (end) => {
    const below = (origin: string) => ({ server: `${origin}/k8s/clusters/c-1${end}` });
    expect(await reached(below)).toEqual(['["/k8s/clusters/c-1/x","127.0.0.1:PORT"]']);
  });

  it('connects through the proxy of the kubeconfig', async () => {
    const behind = (origin: string) => ({ server: 'http://api.invalid', proxyUrl: origin });
    const [connected, asked] = await reached(behind);
    expect(connected).toBe('"CONNECT api.invalid:80"');
    expect(asked).toBe('["/x","api.invalid"]');
  });
});
