import { createServer, type Server } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { isCloudAddress, isPublicAddress } from './address-check.ts';
import { createUpstreamClient, type UpstreamOptions } from './upstream-client.ts';
import { createCheckedLookup } from './upstream-connector.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  closers.push(() => server.closeAllConnections());
  return (server.address() as AddressInfo).port;
};

const get = (
  origin: string,
  options: UpstreamOptions = {},
  deps?: Parameters<typeof createUpstreamClient>[1],
) => {
  const client = createUpstreamClient(options, deps);
  closers.push(client.close);
  const { signal } = new AbortController();
  const request = { origin, method: 'GET', path: '/', headers: new Map(), body: null, signal };
  return { client, response: client.send(request) };
};

describe('createUpstreamClient', () => {
  it.each([
    '127.0.0.1',
    '[::1]',
    'localhost',
    '[::ffff:127.0.0.1]',
    '169.254.169.254',
    '100.100.100.200',
    '[fd00:ec2::254]',
    '[::ffff:169.254.169.254]',
    '[64:ff9b::a9fe:a9fe]',
    // How a URL may write 169.254.169.254.
    '2852039166',
    '0xa9fea9fe',
    '0251.0376.0251.0376',
  ])('connects to no address of the pod or its node: %s', async (host) => {
    let requests = 0;
    const port = await listen(createServer(() => (requests += 1)));
    await expect(get(`http://${host}:${port}`).response).rejects.toMatchObject({
      code: 'upstream_untrusted',
    });
    expect(requests).toBe(0);
  });

  it('refuses above the limit of connections to all clouds, and counts those that are open', async () => {
    let onRequest = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (onRequest = resolve));
    const port = await listen(createServer(onRequest));
    const allow = { isAllowedAddress: () => true };
    const { client, response } = get(`http://127.0.0.1:${port}`, { maxConnections: 1 }, allow);
    response.catch(() => undefined);
    await arrived;
    expect(client.countConnections()).toBe(1);
    const { signal } = new AbortController();
    const other = { origin: `http://localhost:${port}`, method: 'GET', path: '/' } as const;
    await expect(
      client.send({ ...other, headers: new Map(), body: null, signal }),
    ).rejects.toMatchObject({ code: 'overloaded' });
  });

  it('refuses with upstream_unreachable if the proxy opens no tunnel', async () => {
    const server = createServer();
    server.on('connect', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
    const httpsProxy = `http://127.0.0.1:${await listen(server)}`;
    await expect(get('https://cloud.example', { httpsProxy }).response).rejects.toMatchObject({
      code: 'upstream_unreachable',
      message: 'no tunnel to cloud.example:443 through httpsProxy',
    });
  });

  it('reaches the hosts of noProxy and below its suffixes directly, and others by the proxy', async () => {
    const server = createServer();
    const tunnels: (string | undefined)[] = [];
    server.on('connect', ({ url }, socket) => {
      tunnels.push(url);
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    const httpsProxy = `http://127.0.0.1:${await listen(server)}`;
    const options = { httpsProxy, noProxy: ['localhost', '.localhost'] };
    const allow = { isAllowedAddress: () => true };
    for (const host of ['localhost', 'cloud.localhost', 'otherlocalhost', 'localhost.example']) {
      await expect(get(`https://${host}:9`, options, allow).response).rejects.toMatchObject({
        code: 'upstream_unreachable',
      });
    }
    expect(tunnels).toEqual(['otherlocalhost:9', 'localhost.example:9']);
  });

  it('names the error of a host that does not answer', async () => {
    const allow = { isAllowedAddress: () => true };
    await expect(get('http://127.0.0.1:9', {}, allow).response).rejects.toMatchObject({
      code: 'upstream_unreachable',
      message: 'http://127.0.0.1:9 did not answer (ECONNREFUSED)',
    });
  });
});

describe('createCheckedLookup', () => {
  const createLookup = (addresses: readonly string[]) => {
    const asked: string[] = [];
    let now = 0;
    const lookup = createCheckedLookup(
      { isAllowedAddress: (address) => address.startsWith('10.') },
      {
        resolve: (hostname) => {
          asked.push(hostname);
          return Promise.resolve(addresses.map((address) => ({ address, family: 4 })));
        },
        now: () => now,
      },
    );
    const find = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        lookup('cloud.example', { all: true }, (error, found) => {
          if (error === null) resolve(found);
          else reject(error);
        });
      });
    return { find, asked, advance: (ms: number) => (now += ms) };
  };

  it('asks once in 30 s', async () => {
    const { find, asked, advance } = createLookup(['10.0.0.1']);
    await Promise.all([find(), find()]);
    advance(29_999);
    expect(await find()).toEqual([{ address: '10.0.0.1', family: 4 }]);
    expect(asked).toHaveLength(1);
    advance(1);
    await find();
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['169.254.169.254'],
    ['100.100.100.200'],
    ['fd00:ec2::254'],
    ['::ffff:169.254.169.254'],
    ['::ffff:a9fe:a9fe'],
    ['64:ff9b::a9fe:a9fe'],
    ['64:ff9b::100.100.100.200'],
  ])(
    'refuses a name that resolves to the metadata address %s beside a public one',
    async (found) => {
      const resolve = () =>
        Promise.resolve(
          ['52.219.47.1', found].map((address) => ({ address, family: isIP(address) })),
        );
      for (const isAllowedAddress of [isCloudAddress, isPublicAddress]) {
        const lookup = createCheckedLookup({ isAllowedAddress }, { resolve });
        const answer = new Promise((done) => {
          lookup('metadata.example', { all: true }, (error, addresses) => done([error, addresses]));
        });
        expect(await answer).toEqual([
          expect.objectContaining({ code: 'upstream_untrusted' }),
          expect.anything(),
        ]);
      }
    },
  );

  it.each([[['10.0.0.1', '127.0.0.1']], [[]]])(
    'refuses a name with an address that is not allowed, or with none, and asks again: %j',
    async (addresses) => {
      const { find, asked } = createLookup(addresses);
      await expect(find()).rejects.toMatchObject({ code: 'upstream_untrusted' });
      await expect(find()).rejects.toMatchObject({ code: 'upstream_untrusted' });
      expect(asked).toHaveLength(2);
    },
  );
});
