import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, test } from '@jest/globals';

import { createApiClient } from './api-client.ts';

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
  timeoutMs = 30_000,
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
  const show = (token: string): void => {
    const cluster = { name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
    config.loadFromClusterAndUser(cluster, { name: 'us', token });
  };
  show('our-own');
  return { connections, show, calls: createApiClient({ config }, timeoutMs) };
};

const get = { method: 'GET', path: '/x' } as const;

describe('a call to the API server', () => {
  test('shows our own token, and keeps the connection', async () => {
    const shown: unknown[] = [];
    const { calls, connections } = await startServer(({ headers }, answer) => {
      shown.push(headers.authorization);
      answer.end('{"a":1}');
    });
    expect(await calls('get x', get)).toEqual({ a: 1 });
    await calls('get x', get);
    expect(shown).toEqual(['Bearer our-own', 'Bearer our-own']);
    expect(new Set(connections).size).toBe(1);
  });

  test('shows a new token as soon as the old one is no longer accepted', async () => {
    const { calls, show } = await startServer(({ headers }, answer) => {
      answer.statusCode = headers.authorization === 'Bearer next' ? 200 : 401;
      answer.end('{}');
    });
    await expect(calls('get x', get)).rejects.toMatchObject({ status: 401 });
    show('next');
    expect(await calls('get x', get)).toEqual({});
  });

  test('is made again where the kept connection was closed meanwhile', async () => {
    let count = 0;
    const { calls, connections } = await startServer(({ socket }, answer) => {
      count += 1;
      if (count === 2) socket.destroy();
      else answer.end('{}');
    });
    await calls('get x', get);
    await calls('get x', get);
    expect(connections).toHaveLength(3);
  });

  test('is not made again where twice would be more than once', async () => {
    let count = 0;
    const { calls } = await startServer(({ socket }, answer) => {
      count += 1;
      if (count === 2) socket.destroy();
      else answer.end('{}');
    });
    const post = { method: 'POST', path: '/x', body: {} } as const;
    await calls('create x', post);
    await expect(calls('create x', post)).rejects.toMatchObject({ code: 'unavailable' });
    expect(count).toBe(2);
  });

  test.each([
    ['POST', 'application/json'],
    ['PATCH', 'application/merge-patch+json'],
    ['DELETE', 'application/json'],
  ] as const)('of %s brings its body, as %s', async (method, type) => {
    const got: unknown[] = [];
    const { calls } = await startServer((request, answer) => {
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

  const silent = (): void => undefined;
  const broken: [string, (request: IncomingMessage, answer: ServerResponse) => void][] = [
    ['says nothing', silent],
    ['closes the connection', ({ socket }) => socket.destroy()],
    ['stops within its answer', (_request, answer) => answer.write('{"half":')],
    ['answers what is no JSON', (_request, answer) => answer.end('a secret that we sent')],
    ['answers without end', (_request, answer) => answer.end('x'.repeat(9 * 1024 * 1024))],
    ['redirects', (_request, answer) => answer.writeHead(302, { Location: '/y' }).end('{}')],
  ];
  test.each(broken)(
    'fails where the server %s, and repeats nothing of it',
    async (_what, handle) => {
      const { calls } = await startServer(handle, 500);
      const failure = (await calls('get x', get).catch((error: unknown) => error)) as Error;
      expect(failure).toMatchObject({ name: 'KubernetesError', culprit: 'get x' });
      expect(failure.message).not.toContain('secret');
    },
  );

  test.each([
    [404, 'notFound'],
    [409, 'conflict'],
    [403, 'refused'],
    [429, 'unavailable'],
    [503, 'unavailable'],
  ])('of status %i fails as %s', async (status, code) => {
    const { calls } = await startServer((_request, answer) => answer.writeHead(status).end('{}'));
    await expect(calls('get x', get)).rejects.toMatchObject({ code, status });
  });
});

describe("a person's API server", () => {
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
    await createApiClient({ config }, 30_000)('get x', get);
    return seen.map((each) => JSON.stringify(each).replaceAll(`${port}`, 'PORT'));
  };

  test.each(['', '/'])('may stand below a path%s', async (end) => {
    const below = (origin: string) => ({ server: `${origin}/k8s/clusters/c-1${end}` });
    expect(await reached(below)).toEqual(['["/k8s/clusters/c-1/x","127.0.0.1:PORT"]']);
  });

  test('may stand behind the proxy that the kubeconfig names', async () => {
    const behind = (origin: string) => ({ server: 'http://api.invalid', proxyUrl: origin });
    const [connected, asked] = await reached(behind);
    expect(connected).toBe('"CONNECT api.invalid:80"');
    expect(asked).toBe('["/x","api.invalid"]');
  });
});
