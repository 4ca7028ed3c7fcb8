import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  createUpstreamClient,
  type ResponseReceiver,
  type UpstreamRequest,
} from './upstream-client.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const createClient = () => {
  const client = createUpstreamClient({}, { isAllowedAddress: () => true });
  closers.push(client.close);
  return client;
};

const get = (origin: string, overrides: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  origin,
  method: 'GET',
  path: '/a%20b?c=d',
  headers: new Map(),
  body: null,
  signal: new AbortController().signal,
  ...overrides,
});

const readText = async (body: AsyncIterable<unknown>): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of body) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
};

describe('createUpstreamClient', () => {
  it('sends path and headers as given, and does not follow a redirect', async () => {
    const origin = await serve((incoming, outgoing) => {
      outgoing.writeHead(307, { location: '/elsewhere', 'x-seen': incoming.url ?? '' });
      outgoing.end(incoming.headers['x-amz-date']);
    });
    const headers = new Map([['x-amz-date', '20261128T121500Z']]);
    const response = await createClient().send(get(origin, { headers }));
    expect(response).toMatchObject({ status: 307, headers: { 'x-seen': '/a%20b?c=d' } });
    expect(await readText(response.body)).toBe('20261128T121500Z');
  });

  it('streams a body of the announced length', async () => {
    const origin = await serve((incoming, outgoing) => void incoming.pipe(outgoing));
    const body = Readable.from([Buffer.from('hello '), Buffer.from('world')]);
    const headers = new Map([['content-length', '11']]);
    const response = await createClient().send(get(origin, { method: 'PUT', headers, body }));
    expect(await readText(response.body)).toBe('hello world');
  });

  it('rejects with what the body throws, and with the reason of an abort', async () => {
    const origin = await serve(() => undefined);
    const client = createClient();
    const failing = Readable.from(
      (async function* () {
        await Promise.resolve();
        yield Buffer.from('a');
        throw new Error('broken body');
      })(),
    );
    const headers = new Map([['content-length', '5']]);
    await expect(
      client.send(get(origin, { method: 'PUT', headers, body: failing })),
    ).rejects.toThrow('broken body');
    const controller = new AbortController();
    const pending = client.send(get(origin, { signal: controller.signal }));
    controller.abort(new Error('revoked'));
    await expect(pending).rejects.toThrow('revoked');
  });
});

type Received = { status: number; text: string; error?: unknown };

/** Forwards a request; resolves when the response has ended or failed. */
const forward = (
  client: ReturnType<typeof createUpstreamClient>,
  request: UpstreamRequest,
  overrides: Partial<ResponseReceiver> = {},
) => {
  const { promise, resolve } = Promise.withResolvers<Received>();
  const received: Received = { status: 0, text: '' };
  const forwarding = client.forward(request, {
    onHead: (status) => (received.status = status),
    onData: (chunk) => {
      received.text += chunk.toString();
      return true;
    },
    onEnd: () => resolve(received),
    onError: (error) => resolve({ ...received, error }),
    ...overrides,
  });
  return { ...forwarding, received: promise };
};

describe('forward', () => {
  it('hands a response over piece by piece', async () => {
    const origin = await serve((incoming, outgoing) => void incoming.pipe(outgoing));
    const body = Readable.from([Buffer.from('hello '), Buffer.from('world')]);
    const headers = new Map([['content-length', '11']]);
    const { received } = forward(createClient(), get(origin, { method: 'PUT', headers, body }));
    expect(await received).toEqual({ status: 200, text: 'hello world' });
  });

  it('waits after onData returned false until resume is called', async () => {
    const origin = await serve((_, outgoing) => {
      outgoing.write('a');
      setImmediate(() => outgoing.end('b'));
    });
    let isPaused = false;
    let hasEndedWhilePaused = false;
    const { received, resume } = forward(createClient(), get(origin), {
      onData: () => {
        hasEndedWhilePaused ||= isPaused;
        isPaused = true;
        setImmediate(() => {
          isPaused = false;
          resume();
        });
        return false;
      },
    });
    expect(await received).toMatchObject({ status: 200 });
    expect(hasEndedWhilePaused).toBe(false);
  });

  it('aborts the request because of what onHead throws, and reports that', async () => {
    const closed = Promise.withResolvers<undefined>();
    const origin = await serve((_, outgoing) => {
      outgoing.once('close', () => closed.resolve(undefined));
      outgoing.write('begun');
    });
    const { received } = forward(createClient(), get(origin), {
      onHead: () => {
        throw new Error('unwanted');
      },
    });
    expect(await received).toMatchObject({ error: new Error('unwanted') });
    await closed.promise;
  });

  it('closes the connection on abort, and reports nothing', async () => {
    const [begun, closed] = [
      Promise.withResolvers<undefined>(),
      Promise.withResolvers<undefined>(),
    ];
    const origin = await serve((_, outgoing) => {
      outgoing.once('close', () => closed.resolve(undefined));
      outgoing.write('begun');
    });
    const errors: unknown[] = [];
    const { abort } = forward(createClient(), get(origin), {
      onHead: () => begun.resolve(undefined),
      onError: (error) => errors.push(error),
    });
    await begun.promise;
    abort(new Error('revoked'));
    await closed.promise;
    expect(errors).toEqual([]);
  });

  it('sends nothing if it is aborted before there is a connection', async () => {
    let requests = 0;
    const origin = await serve((_, outgoing) => {
      requests += 1;
      outgoing.end();
    });
    const client = createClient();
    forward(client, get(origin)).abort(new Error('revoked'));
    const { received } = forward(client, get(origin));
    expect(await received).toMatchObject({ status: 200 });
    expect(requests).toBe(1);
  });

  it('reports an origin that does not answer with its code', async () => {
    const origin = await serve((incoming) => void incoming.socket.destroy());
    const { received } = forward(createClient(), get(origin));
    expect(await received).toMatchObject({ error: { code: 'upstream_unreachable' } });
  });
});
