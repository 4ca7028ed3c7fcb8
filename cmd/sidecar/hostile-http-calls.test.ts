import { createServer, request, type IncomingMessage, type RequestListener } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { text as readText } from 'node:stream/consumers';

import { afterEach, describe, expect, it } from '@jest/globals';

import type { UpstreamRules } from '../../lib/contract/upstream.ts';
import { waitFor } from '../../test/kit/retry.ts';
import { HTTP_KEY, startHttpGateway } from './fixtures/http-gateway.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** What sockets of both sides may hold between two programs, generously. */
const SOCKET_BYTES = 64 * MIB;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const listen = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** A sidecar before an API. */
const startPod = async (
  respond: RequestListener,
  { rules }: { rules?: Partial<UpstreamRules> } = {},
) => {
  const gateway = await startHttpGateway(await listen(respond), rules);
  const { gatewayPort: port, authorization, startRun, endRun, stop, remove } = gateway;
  closers.push(remove, stop);
  const sendTo =
    (base: string) =>
    (path: string, options: { method?: string; headers?: object } = {}) =>
      request({
        ...{ host: '127.0.0.1', port, path: `${base}${path}`, agent: false },
        ...{ method: options.method, headers: { authorization, ...options.headers } },
      });
  return {
    ...{ port, authorization, host: `127.0.0.1:${port}`, send: sendTo('/t/chat') },
    startRun: async () => {
      const run = await startRun();
      return { send: sendTo(`/r/${run}`), end: () => endRun(run) };
    },
  };
};

const receive = (sent: ReturnType<typeof request>): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => sent.once('response', resolve).once('error', reject));

/** Counts what is taken from it. */
const createSource = (bytes: number) => {
  const counter = { taken: 0 };
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const stream = Readable.from(
    (function* () {
      while (counter.taken < bytes) {
        counter.taken += chunk.length;
        yield chunk;
      }
    })(),
    { highWaterMark: 1, objectMode: false },
  );
  return { stream, counter };
};

/** The greatest memory of buffers while something runs. */
const watchBuffers = () => {
  const before = process.memoryUsage().arrayBuffers;
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().arrayBuffers)), 20);
  return () => {
    clearInterval(timer);
    return peak - before;
  };
};

/** Sends bytes as they are, and returns what comes back until the connection ends. */
const sendRaw = async (port: number | undefined, text: string): Promise<string> => {
  const socket = connect({ port: port ?? 0, host: '127.0.0.1' }).on('error', () => undefined);
  closers.push(() => socket.destroy());
  socket.write(text);
  return readText(socket).catch(() => '');
};

describe('a body of 1 GiB', () => {
  it('is refused unread where its length is announced', async () => {
    const bodies: string[] = [];
    const { send } = await startPod((incoming) => void bodies.push(incoming.url ?? ''));
    const headers = { 'content-length': String(GIB), expect: '100-continue' };
    const sent = send('/v1/files', { method: 'POST', headers });
    sent.flushHeaders();
    const { statusCode, headers: answered } = await receive(sent);
    expect([statusCode, answered['x-valetkey-code']]).toEqual([413, 'body_too_large']);
    expect(bodies).toEqual([]);
  });

  it('is refused after a bounded part where its length is not announced', async () => {
    let reached = 0;
    const { send } = await startPod((incoming) => {
      incoming
        .on('data', (chunk: Buffer) => (reached += chunk.length))
        .on('error', () => undefined);
    });
    const { stream, counter } = createSource(GIB);
    const sent = send('/v1/files', { method: 'POST' });
    const received = receive(sent);
    const sending = pipeline(stream, sent).catch(() => undefined);
    const { statusCode, headers } = await received;
    sent.destroy();
    await sending;
    expect([statusCode, headers['x-valetkey-code']]).toEqual([413, 'body_too_large']);
    expect(reached).toBeLessThanOrEqual(4096);
    expect(counter.taken).toBeLessThan(SOCKET_BYTES);
  });

  it('passes with little memory where the upstream takes such bodies', async () => {
    let reached = 0;
    const { send } = await startPod(
      (incoming, outgoing) => {
        incoming.on('data', (chunk: Buffer) => (reached += chunk.length));
        incoming.on('end', () => outgoing.end('{}'));
      },
      { rules: { maxBodyBytes: GIB } },
    );
    const readPeak = watchBuffers();
    const sent = send('/v1/files', { method: 'POST', headers: { 'content-length': String(GIB) } });
    const received = receive(sent);
    await pipeline(createSource(GIB).stream, sent);
    expect((await received).statusCode).toBe(200);
    expect(reached).toBe(GIB);
    expect(readPeak()).toBeLessThan(256 * MIB);
  }, 180_000);
});

/** End-to-end tests pass 1 GiB through a sidecar of 128 MiB. */
const ANSWER_BYTES = 256 * MIB;

describe('a large answer', () => {
  const startLarge = async () => {
    const { stream, counter } = createSource(ANSWER_BYTES);
    const pod = await startPod((_, outgoing) => {
      void pipeline(stream, outgoing).catch(() => undefined);
    });
    return { ...pod, counter };
  };

  it('passes with little memory', async () => {
    const { send } = await startLarge();
    const readPeak = watchBuffers();
    const response = await receive(send('/v1/files').end());
    let reached = 0;
    for await (const chunk of response) reached += (chunk as Buffer).length;
    expect(reached).toBe(ANSWER_BYTES);
    expect(readPeak()).toBeLessThan(ANSWER_BYTES / 2);
  }, 180_000);

  it('is not taken from the upstream faster than the client reads it', async () => {
    const { send, counter } = await startLarge();
    const response = await receive(send('/v1/files').end());
    response.pause();
    let before = -1;
    await waitFor('the upstream waits', () => {
      const isSteady = counter.taken === before;
      before = counter.taken;
      return isSteady;
    });
    expect(counter.taken).toBeLessThan(SOCKET_BYTES);
    response.destroy();
  });
});

describe('a peer that is slow', () => {
  it('and sends its body bit by bit is cut on both sides when its run ends', async () => {
    let isCut = false;
    let onReached = (): void => undefined;
    const reached = new Promise<void>((resolve) => (onReached = resolve));
    const { startRun } = await startPod((incoming) => {
      incoming.once('data', onReached);
      incoming.resume().on('error', () => undefined);
      incoming.once('close', () => (isCut = !incoming.complete));
    });
    const { send, end } = await startRun();
    const sent = send('/v1/files', { method: 'POST', headers: { 'content-length': '4000' } });
    const ended = new Promise<void>((resolve) => sent.once('close', () => resolve()));
    sent.on('error', () => undefined).write('x');
    await reached;
    const timer = setInterval(() => sent.write('x'), 100);
    await end();
    await ended;
    clearInterval(timer);
    await waitFor('the upstream is cut', () => isCut);
  });

  it('and never answers is left when the run ends', async () => {
    let onReached = (): void => undefined;
    const reached = new Promise<void>((resolve) => (onReached = resolve));
    const { startRun } = await startPod(() => onReached());
    const { send, end } = await startRun();
    const received = receive(send('/v1/models').end());
    await reached;
    await end();
    const { statusCode, headers } = await received;
    expect([statusCode, headers['x-valetkey-code']]).toEqual([403, 'run_ended']);
  });

  it('and begins an answer that it never ends is cut when the run ends', async () => {
    const { startRun } = await startPod((_, outgoing) => void outgoing.write('begun'));
    const { send, end } = await startRun();
    const response = await receive(send('/v1/models').end());
    await end();
    await expect(readText(response)).rejects.toThrow('aborted');
  });
});

describe('an upstream that redirects', () => {
  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/latest/',
    'http://100.100.100.200/latest/',
    'http://[::ffff:169.254.169.254]/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'http://metadata.google.internal/computeMetadata/v1/',
    '//169.254.169.254/',
    '\\\\169.254.169.254\\',
    'file:///var/run/secrets',
  ])('to %s is answered 502, and the client gets no location', async (location) => {
    const { send } = await startPod((_, outgoing) => outgoing.writeHead(307, { location }).end());
    const response = await receive(send('/v1/models').end());
    const text = await readText(response);
    expect([response.statusCode, response.headers['x-valetkey-code']]).toEqual([
      502,
      'redirect_refused',
    ]);
    expect(response.headers.location).toBeUndefined();
    expect(text).not.toContain('169.254');
  });
});

describe('a request whose bytes can be read in two ways', () => {
  const begin = async () => {
    const seen: { url: string; headers: string; body: string }[] = [];
    const pod = await startPod((incoming, outgoing) => {
      void readText(incoming).then((body) => {
        const { url = '', rawHeaders } = incoming;
        seen.push({ url, headers: rawHeaders.join('\n').toLowerCase(), body });
        outgoing.end('{}');
      });
    });
    return { ...pod, seen };
  };

  it.each([
    ['two dots', '/v1/../admin'],
    ['two encoded dots', '/v1/%2e%2e/admin'],
    ['two dots, half encoded', '/v1/.%2E/admin'],
    ['two dots, encoded twice', '/v1/%252e%252e/admin'],
    ['an encoded slash', '/v1/..%2fadmin'],
    ['a backslash', '/v1/..\\admin'],
    ['an encoded backslash', '/v1/..%5cadmin'],
    ['an empty segment', '/v1//admin'],
    ['a parameter of a segment', '/v1/..;/admin'],
    ['NUL', '/v1/a%00/../admin'],
    ['a line break', '/v1/a%0d%0aHost:%20evil'],
    ['an overlong dot', '/v1/%c0%ae%c0%ae/admin'],
    ['a fragment', '/v1/models#/../admin'],
    ['a path outside the task', '/admin'],
  ])('in its path is refused: %s', async (_, path) => {
    const { port, host, authorization, seen } = await begin();
    const answer = await sendRaw(
      port,
      `GET /t/chat${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 40[03] /);
    expect(seen).toEqual([]);
  });

  it.each([
    ['a length beside a coding', 'Content-Length: 4\r\nTransfer-Encoding: chunked'],
    ['two lengths', 'Content-Length: 4\r\nContent-Length: 40'],
    ['two lengths in one header', 'Content-Length: 4, 40'],
    ['a length with a sign', 'Content-Length: +4'],
    ['a coding behind chunked', 'Transfer-Encoding: chunked, identity'],
    ['an unknown coding', 'Transfer-Encoding: xchunked'],
    ['a coding after a tab and a space', 'Transfer-Encoding : chunked'],
    ['a folded header', 'X-A: b\r\n Transfer-Encoding: chunked'],
    ['a bare line feed', 'X-A: b\nTransfer-Encoding: chunked'],
    ['a bare carriage return', 'X-A: b\rTransfer-Encoding: chunked'],
    ['NUL in a header', 'X-A: b\0c'],
    ['two keys', 'Authorization: Bearer sk-other'],
    ['a second host', 'Host: api.example'],
  ])('in its headers is refused: %s', async (_, header) => {
    const { port, host, authorization, seen } = await begin();
    const answer = await sendRaw(
      port,
      `POST /t/chat/v1/a HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n${header}\r\n\r\n` +
        `0\r\n\r\nGET /admin HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(seen).toEqual([]);
  });

  it.each([
    ['CONNECT', 'CONNECT 169.254.169.254:80 HTTP/1.1'],
    ['the absolute form', 'GET http://169.254.169.254/ HTTP/1.1'],
    ['another version', 'GET /t/chat/v1/models HTTP/3.0'],
    ['HTTP/2 with prior knowledge', 'PRI * HTTP/2.0'],
  ])('in its first line never reaches the upstream: %s', async (_, line) => {
    const { port, host, authorization, seen } = await begin();
    const answer = await sendRaw(
      port,
      `${line}\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).not.toMatch(/^HTTP\/1\.1 2/);
    expect(seen).toEqual([]);
  });

  it('passes a request within a body on as a body', async () => {
    const { port, host, authorization, seen } = await begin();
    const inner = 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n';
    await sendRaw(
      port,
      `POST /t/chat/v1/a HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n` +
        `Connection: close\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
    );
    expect(seen).toMatchObject([{ url: '/v1/a', body: inner }]);
  });

  it('cannot remove the key, change the host or the method, or add what proxies trust', async () => {
    const { port, host, authorization, seen } = await begin();
    const headers = [
      'Connection: authorization, host, close',
      'X-HTTP-Method-Override: DELETE',
      'X-Original-URL: /admin',
      'X-Rewrite-URL: /admin',
      'X-Api-Key: sk-other',
      'Api-Key: sk-other',
      'Cookie: session=1',
      'Proxy-Authorization: Basic eDp5',
      'TE: trailers',
      'Trailer: authorization',
    ];
    await sendRaw(
      port,
      `GET /t/chat/v1/a HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n${headers.join('\r\n')}\r\n\r\n`,
    );
    expect(seen).toHaveLength(1);
    const received = seen[0]?.headers ?? '';
    expect(received).toContain(`authorization\nbearer ${HTTP_KEY}`);
    expect(received).not.toMatch(/override|original|rewrite|sk-other|cookie|proxy|trailer|\nte\n/);
  });
});
