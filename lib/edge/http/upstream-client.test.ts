import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createUpstreamClient, type UpstreamRequest } from './upstream-client.ts';

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
