import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { connect as connectHttp2, constants, type OutgoingHttpHeaders } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../test/kit/retry.ts';
import { createGatewayServer, type GatewayTimes } from './gateway-listener.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Seen = { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };

const start = async (handler: RequestListener, times: Partial<GatewayTimes> = {}) => {
  const seen: Seen[] = [];
  const listener = createGatewayServer((incoming, outgoing) => {
    seen.push({ incoming, outgoing });
    handler(incoming, outgoing);
  }, times);
  await new Promise<void>((resolve) => listener.server.listen(0, '127.0.0.1', resolve));
  closers.push(listener.close);
  const { port } = listener.server.address() as AddressInfo;
  return { ...listener, port, seen };
};

const open = (port: number): ClientHttp2Session => {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  closers.push(() => session.destroy());
  return session;
};

type Answer = {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly interim: readonly number[];
};

const read = async (stream: ClientHttp2Stream): Promise<Answer> => {
  const interim: number[] = [];
  stream.on('headers', (headers) => interim.push(Number(headers[':status'])));
  let head: Readonly<Record<string, unknown>> = {};
  stream.on('response', (headers) => (head = headers));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const status = head[':status'] as number | undefined;
  return { status, headers: head, body: Buffer.concat(chunks).toString(), interim };
};

const ask = (
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Answer> => {
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return read(stream);
};

const readAll = async (source: AsyncIterable<unknown>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

const echo: RequestListener = (incoming, outgoing) =>
  void readAll(incoming).then(
    (body) => outgoing.writeHead(200, { 'x-method': incoming.method }).end(body),
    () => outgoing.destroy(),
  );

/** `once` rejects at an error. */
const waitForClose = (stream: ClientHttp2Stream | undefined): Promise<void> =>
  new Promise((resolve) => void stream?.once('close', () => resolve()));

describe('a connection that begins as HTTP/2', () => {
  it('is served beside HTTP/1.1 on the same port, with the same handler', async () => {
    const { port } = await start(echo);
    const body = Buffer.alloc(3 * 1024 * 1024, 'x');
    const session = open(port);
    const answers = await Promise.all([
      ask(session, { ':method': 'PUT', ':path': '/a' }, body),
      ask(session, { ':method': 'GET', ':path': '/b' }),
    ]);
    expect(answers.map(({ status, body: { length } }) => [status, length])).toEqual([
      [200, body.length],
      [200, 0],
    ]);
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'PUT', body: 'one' });
    expect(await response.text()).toBe('one');
    for (const method of ['POST', 'PATCH', 'PROPFIND']) {
      const { headers } = await fetch(`http://127.0.0.1:${port}/`, { method });
      expect(headers.get('x-method')).toBe(method);
    }
  });

  it('is found by its first bytes, however they arrive', async () => {
    const { port, seen } = await start(echo);
    const socket = connect(port, '127.0.0.1').setNoDelay();
    closers.push(() => socket.destroy());
    for (const byte of 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok') {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    const second = connect(port, '127.0.0.1').setNoDelay();
    closers.push(() => second.destroy());
    for (const byte of 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0') {
      second.write(byte, 'latin1');
      await new Promise(setImmediate);
    }
    const [frames] = (await once(second, 'data')) as [Buffer];
    // SETTINGS.
    expect(frames[3]).toBe(4);
    expect(seen).toHaveLength(1);
  });

  it('is read as the head of HTTP/1.1: raw path, host, repeated headers, body without length', async () => {
    const { port, seen } = await start(echo);
    const session = open(port);
    const path = "/a//b/../%2e/ü%zz?x=%20&x=+&'";
    const host = `127.0.0.1:${port}`;
    await ask(
      session,
      {
        ...{ ':method': 'POST', ':path': Buffer.from(path).toString('latin1') },
        ...{ 'x-twice': ['1', '2'], authorization: 'Bearer x' },
      },
      'body',
    );
    const [{ incoming }] = seen as [Seen];
    expect(incoming.method).toBe('POST');
    expect(incoming.url).toBe(Buffer.from(path).toString('latin1'));
    expect(incoming.rawHeaders).toEqual([
      ...[':authority', host, 'host', host],
      ...['x-twice', '1', 'x-twice', '2', 'authorization', 'Bearer x'],
      ...['transfer-encoding', 'chunked'],
    ]);
    expect(incoming.headers.authorization).toBe('Bearer x');
  });

  it.each([
    [{ ':authority': 'a', host: 'a' }, [':authority', 'a', 'host', 'a']],
    [{ ':authority': 'a', host: 'b' }, [':authority', 'a', 'host', 'a', 'host', 'b']],
  ])('has one host, or two of them: %j', async (headers, expected) => {
    const { port, seen } = await start(echo);
    await ask(open(port), headers);
    expect(seen[0]?.incoming.rawHeaders).toEqual(expected);
  });

  it('has the absolute form with another scheme, and the authority form of CONNECT', async () => {
    const { port, seen } = await start(echo);
    const session = open(port);
    await ask(session, { ':scheme': 'https', ':path': '/x' });
    const tunnel = session.request({ ':method': 'CONNECT', ':authority': 'evil.example:443' });
    tunnel.on('error', () => undefined).end();
    await read(tunnel);
    expect(seen.map(({ incoming }) => [incoming.method, incoming.url])).toEqual([
      ['GET', `https://127.0.0.1:${port}/x`],
      ['CONNECT', '://evil.example:443'],
    ]);
  });

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('sends no body for %s with status %i, and its headers', async (method, status) => {
    const { port } = await start((_, outgoing) => {
      outgoing.writeHead(status, { 'x-a': 'b', connection: 'close', 'content-length': 4 });
      outgoing.write('ab');
      outgoing.end('cd');
    });
    const answer = await ask(open(port), { ':method': method });
    expect(answer).toMatchObject({ status, body: '', headers: { 'x-a': 'b' } });
    expect(answer.headers).not.toHaveProperty('connection');
  });

  it('sends 100 before the response where the handler asks for the body, and not by itself', async () => {
    const { port, seen } = await start((incoming, outgoing) => {
      if (incoming.url === '/asks') outgoing.writeContinue();
      echo(incoming, outgoing);
    });
    const session = open(port);
    const head = { ':method': 'PUT', expect: '100-continue', 'content-length': '4' };
    const asked = await ask(session, { ...head, ':path': '/asks' }, 'body');
    expect(asked).toMatchObject({ status: 200, body: 'body', interim: [100] });
    const unasked = await ask(session, { ...head, ':path': '/' }, 'body');
    expect(unasked.interim).toEqual([]);
    expect(seen).toHaveLength(2);
  });

  it('slows a client down to the reader of its body: 20 KiB in all are taken unread', async () => {
    const { port, seen } = await start(() => undefined);
    const session = open(port);
    await once(session, 'remoteSettings');
    const stream = session.request({ ':method': 'PUT' });
    stream.on('error', () => undefined);
    let isSent = false;
    stream.write(Buffer.alloc(1024 * 1024), () => (isSent = true));
    await waitUntil(() => seen.length === 1);
    await new Promise((resolve) => session.ping(resolve));
    expect(isSent).toBe(false);
    expect(seen[0]?.incoming.socket.bytesRead).toBeLessThan(1024);
    const [{ incoming }] = seen as [Seen];
    const reading = readAll(incoming);
    stream.end();
    expect(await reading).toHaveLength(1024 * 1024);
  });

  it('slows the handler down to the reader of the response', async () => {
    const { port, seen } = await start((_, outgoing) => outgoing.writeHead(200));
    const stream = open(port).request({});
    await once(stream, 'response');
    const [{ outgoing }] = seen as [Seen];
    let written = 0;
    while (outgoing.write(Buffer.alloc(16_384)) && written < 1_000) written += 1;
    expect(written).toBeLessThan(20);
    const drained = once(outgoing, 'drain');
    stream.resume();
    await drained;
    outgoing.end();
    await once(stream, 'close');
    expect(outgoing.writableFinished).toBe(true);
  });

  it('reports to the handler that a client reset its request, or closed the connection', async () => {
    const { port, seen } = await start(() => undefined);
    const session = open(port);
    const streams = ['/reset', '/cut'].map((path) =>
      session.request({ ':method': 'PUT', ':path': path, 'content-length': '9' }),
    );
    for (const stream of streams) stream.on('error', () => undefined).write('half');
    await waitUntil(() => seen.length === 2);
    const closed = seen.map(({ outgoing }) => once(outgoing, 'close'));
    const failed = seen.map(({ incoming }) =>
      readAll(incoming).catch((error: unknown) => (error as Error).message),
    );
    streams[0]?.destroy(new Error('reset'));
    await closed[0];
    expect(seen.map(({ outgoing: { destroyed } }) => destroyed)).toEqual([true, false]);
    session.destroy();
    await closed[1];
    expect(await Promise.all(failed)).toEqual(['aborted', 'aborted']);
    expect(seen[0]?.outgoing.writableFinished).toBe(false);
  });

  it('shows a client that its response was cut, and goes on with other requests', async () => {
    const { port } = await start((incoming, outgoing) => {
      if (incoming.url !== '/cut') return void outgoing.writeHead(200).end('whole');
      outgoing.writeHead(200);
      outgoing.write('half', () => outgoing.destroy());
    });
    const session = open(port);
    const cut = ask(session, { ':path': '/cut' });
    await expect(cut).rejects.toThrow('NGHTTP2_INTERNAL_ERROR');
    expect(await ask(session, { ':path': '/' })).toMatchObject({ status: 200, body: 'whole' });
  });

  it('stops a client that goes on to send after the response', async () => {
    const { port } = await start((incoming, outgoing) => {
      outgoing.writeHead(403, { 'content-length': 2 });
      outgoing.end('no');
      incoming.resume();
    });
    const session = open(port);
    const stream = session.request({ ':method': 'PUT' });
    stream.write('half');
    expect(await read(stream)).toMatchObject({ status: 403, body: 'no' });
    await waitUntil(() => stream.destroyed);
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  });

  it('counts the bytes of each request', async () => {
    const { port, seen } = await start(echo);
    const session = open(port);
    await Promise.all([
      ask(session, { ':method': 'PUT' }, Buffer.alloc(100_000)),
      ask(session, { ':method': 'PUT' }, 'x'),
    ]);
    const [large, small] = seen.map(({ incoming: { socket } }) => socket);
    for (const bytes of [large?.bytesRead, large?.bytesWritten]) {
      expect(bytes).toBeGreaterThanOrEqual(100_000);
      expect(bytes).toBeLessThan(100_500);
    }
    expect(small?.bytesRead).toBeLessThan(500);
  });
});

describe('limits of HTTP/2', () => {
  const isClosed = (socket: Socket): Promise<unknown> => once(socket, 'close');
  const connectRaw = (port: number): Socket => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    closers.push(() => socket.destroy());
    return socket.resume();
  };
  const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const buildFrame = (
    type: number,
    flags: number,
    id: number,
    payload = Buffer.alloc(0),
  ): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(id, 5);
    return Buffer.concat([head, payload]);
  };
  const SETTINGS = buildFrame(4, 0, 0);
  const ACK = buildFrame(4, 1, 0);

  it.each([
    ['no byte', ''],
    ['a part of the preface', 'PR'],
    ['the preface without settings', PREFACE],
    ['no acknowledgement of our settings', PREFACE + SETTINGS.toString('latin1')],
  ])('closes a connection with %s in time', async (_, text) => {
    const { port } = await start(echo, { headerMs: 50 });
    const socket = connectRaw(port);
    socket.write(text, 'latin1');
    await isClosed(socket);
  });

  it('closes an idle connection, and none that waits for its response', async () => {
    const { port, seen } = await start(() => undefined, { idleMs: 50, stallMs: 50 });
    const session = open(port);
    const waiting = read(session.request({}));
    await waitUntil(() => seen.length === 1);
    // Both limits have passed for this one when those of a later one have.
    await once(open(port), 'close');
    expect(session.closed || session.destroyed).toBe(false);
    seen[0]?.outgoing.writeHead(200).end('late');
    expect(await waiting).toMatchObject({ body: 'late' });
    await once(session, 'close');
  });

  it('resets a request whose client neither sends nor reads', async () => {
    const { port } = await start(
      (incoming, outgoing) => {
        incoming.resume();
        if (incoming.url === '/send') outgoing.writeHead(200).end(Buffer.alloc(1024 * 1024));
      },
      { stallMs: 50 },
    );
    const session = open(port);
    const half = session.request({ ':method': 'PUT' });
    half.write('half');
    await expect(read(half)).rejects.toThrow();
    expect(half.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
    const unread = session.request({ ':path': '/send' }).on('error', () => undefined);
    await waitForClose(unread);
    expect(unread.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR);
  });

  it('refuses a head of more than 32 KiB, and accepts one of 30', async () => {
    const { port, seen } = await start(echo);
    const build = (kib: number) => ({ 'x-large': 'a'.repeat(kib * 1024) });
    // Before the client knows the limit.
    expect(await ask(open(port), build(33))).toMatchObject({ status: 431 });
    const session = open(port);
    await once(session, 'remoteSettings');
    await expect(ask(session, build(33))).rejects.toThrow();
    const other = open(port);
    await once(other, 'remoteSettings');
    expect(await ask(other, build(30))).toMatchObject({ status: 200 });
    expect(seen).toHaveLength(1);
  });

  it('sends clients its limits', async () => {
    const { port } = await start(echo);
    const [settings] = (await once(open(port), 'remoteSettings')) as unknown[];
    expect(settings).toMatchObject({
      ...{ maxConcurrentStreams: 100, maxHeaderListSize: 32_768, enablePush: false },
      initialWindowSize: 20_971,
    });
  });

  it('has 256 requests of all unauthenticated connections, the newest of them, and 256 of each owner', async () => {
    const { port, seen, assign } = await start(() => undefined);
    const put = (session: ClientHttp2Session): ClientHttp2Stream =>
      session.request({ ':method': 'PUT' }).on('error', () => undefined);
    const sessions = Array.from({ length: 4 }, () => open(port));
    await Promise.all(sessions.map((session) => once(session, 'remoteSettings')));
    const [first] = sessions.slice(0, 1).map(put);
    await waitUntil(() => seen.length === 1);
    const later = sessions.slice(1).map(put);
    const more = sessions.flatMap((session) => Array.from({ length: 63 }, () => put(session)));
    later.push(...more);
    await waitUntil(() => seen.length === 256);
    const [{ incoming }] = seen as [Seen];
    expect(incoming.destroyed).toBe(false);
    const evicted = waitForClose(first);
    later.push(...sessions.slice(0, 1).map(put));
    await evicted;
    expect(first?.rstCode).toBe(constants.NGHTTP2_REFUSED_STREAM);
    expect(later.filter(({ destroyed }) => destroyed)).toEqual([]);
    // They have one owner now: one more of it is refused, and no other owner's.
    await waitUntil(() => seen.length === 257);
    for (const each of seen) assign(each.incoming, 'greedy');
    const [refused] = sessions.map(put);
    await waitForClose(refused);
    expect(refused?.rstCode).toBe(constants.NGHTTP2_REFUSED_STREAM);
    const modest = put(open(port));
    await waitUntil(() => seen.length === 258);
    expect(modest.destroyed).toBe(false);
  });

  const GET = Buffer.from(
    '828684410a3132372e302e302e313a31'.replace('0a3132372e302e302e313a31', '0178'),
    'hex',
  );
  it.each([
    [
      'requests that are reset at once',
      Array.from({ length: 5_000 }, (_, index) => [
        buildFrame(1, 5, 2 * index + 1, GET),
        buildFrame(3, 0, 2 * index + 1, Buffer.from([0, 0, 0, 8])),
      ]).flat(),
    ],
    ['settings', Array.from({ length: 20_000 }, () => SETTINGS)],
    ['pings', Array.from({ length: 20_000 }, () => buildFrame(6, 0, 0, Buffer.alloc(8)))],
    [
      'continuations of one head',
      [
        buildFrame(1, 0, 1, GET),
        ...Array.from({ length: 5_000 }, () =>
          buildFrame(9, 0, 1, Buffer.from('4001780179', 'hex')),
        ),
      ],
    ],
    [
      'frames without content',
      [buildFrame(1, 4, 1, GET), ...Array.from({ length: 20_000 }, () => buildFrame(0, 0, 1))],
    ],
    [
      'requests above the limit',
      Array.from({ length: 2_000 }, (_, index) => buildFrame(1, 4, 2 * index + 1, GET)),
    ],
  ])('closes a connection that floods it with %s, and serves others', async (_, frames) => {
    const { port, seen } = await start(echo);
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    closers.push(() => socket.destroy());
    // It does not read what it is answered, so that answers pile up.
    socket.write(Buffer.concat([Buffer.from(PREFACE), SETTINGS, ACK, ...frames]));
    await Promise.race([
      isClosed(socket),
      once(socket, 'end').then(() => undefined),
      (async () => {
        for await (const chunk of socket) expect(chunk).toBeDefined();
      })(),
    ]);
    expect(seen.length).toBeLessThan(1_500);
    expect(await ask(open(port), { ':path': '/' })).toMatchObject({ status: 200 });
  });
});
