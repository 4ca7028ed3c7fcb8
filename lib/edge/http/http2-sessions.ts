import { constants, performServerHandshake, type ServerOptions } from 'node:http2';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { adaptStream, measureHead, type StreamExchange } from './http2-exchange.ts';
import { createStreamLimiter } from './stream-limits.ts';

/** What a listener allows clients of HTTP/2; times in milliseconds. */
export type Http2Limits = {
  readonly headerBytes: number;
  /** For the preface, and for the acknowledgement of our settings. */
  readonly headerMs: number;
  /** Without a request. */
  readonly idleMs: number;
  /** Without progress of a request or a response. */
  readonly stallMs: number;
};

const MAX_STREAMS = 100;
/** Of the body that a client may send before it is read: all streams of a connection together 2 MiB. */
const STREAM_WINDOW = Math.floor((2 * 1024 * 1024) / MAX_STREAMS);

const buildOptions = ({ headerBytes }: Http2Limits): ServerOptions => ({
  settings: {
    maxConcurrentStreams: MAX_STREAMS,
    initialWindowSize: STREAM_WINDOW,
    maxHeaderListSize: headerBytes,
    enablePush: false,
  },
  // MiB: header tables, what waits to be sent, and frames that the client did not acknowledge.
  maxSessionMemory: 2,
  maxSettings: 32,
  maxOutstandingPings: 2,
  maxSessionInvalidFrames: 100,
  // Of those that a client resets: 200 at once, and 33 in a second.
  streamResetBurst: 200,
  streamResetRate: 33,
});

const ignore = (): void => undefined;

const isWaitingForCloud = ({ incoming, outgoing }: StreamExchange): boolean =>
  incoming.complete && !outgoing.writableEnded && outgoing.writableLength === 0;

/** Ends a request whose client neither sends nor reads, unless it waits for the cloud. */
const limitStalls = (
  stream: ServerHttp2Stream,
  exchange: StreamExchange,
  stallMs: number,
): void => {
  stream.setTimeout(stallMs);
  stream.on('timeout', () => {
    if (isWaitingForCloud(exchange)) stream.setTimeout(stallMs);
    else exchange.outgoing.destroy();
  });
};

/** Clients send their preface at once, and acknowledge settings as soon as they have them. */
const limitHandshake = (session: ServerHttp2Session, headerMs: number): void => {
  let left = 2;
  const timer = setTimeout(() => session.destroy(), headerMs).unref();
  const count = (): void => {
    left -= 1;
    if (left === 0) clearTimeout(timer);
  };
  session.once('remoteSettings', count).once('localSettings', count);
  session.once('close', () => clearTimeout(timer));
};

/** Serves HTTP/2 on the connections of a listener. */
export type Http2Sessions = {
  readonly serve: (socket: Socket) => void;
  /** The connection of a request belongs to that owner. */
  readonly assign: (incoming: IncomingMessage, owner: string) => void;
};

/**
 * Creates what serves connections that begin as HTTP/2, with the handler of HTTP/1.1 requests. Floods of
 * frames are limited by Node's HTTP/2 (resets, settings, pings, continuations); what a request may hold in
 * memory by its window, and how many there are by `createStreamLimiter`.
 */
export const createHttp2Sessions = (
  handler: RequestListener,
  limits: Http2Limits,
): Http2Sessions => {
  const options = buildOptions(limits);
  const limiter = createStreamLimiter();
  const sessions = new WeakMap<object, ServerHttp2Session>();

  const serveStream = (
    session: ServerHttp2Session,
    socket: Socket,
    {
      stream,
      rawHeaders,
      flags,
    }: { stream: ServerHttp2Stream; rawHeaders: string[]; flags: number },
  ): void => {
    stream.on('error', ignore);
    if (!limiter.open(session, stream)) return;
    // The limit among the settings holds only when the client has acknowledged it.
    if (measureHead(rawHeaders) > limits.headerBytes) {
      stream.respond({ ':status': 431 }, { endStream: true });
      stream.resume().close(constants.NGHTTP2_NO_ERROR);
      return;
    }
    const exchange = adaptStream(stream, { rawHeaders, flags }, socket);
    sessions.set(exchange.incoming.socket, session);
    limitStalls(stream, exchange, limits.stallMs);
    handler(exchange.incoming, exchange.outgoing);
  };

  return {
    serve: (socket) => {
      // Servers of HTTP/1.1 answer a client that only ends its side; here that ends the connection.
      socket.allowHalfOpen = false;
      const session = performServerHandshake(socket, options);
      session.on('error', ignore);
      limitHandshake(session, limits.headerMs);
      session.setTimeout(limits.idleMs);
      session.on('timeout', () => {
        if (limiter.isBusy(session)) session.setTimeout(limits.idleMs);
        else session.destroy();
      });
      session.on('stream', (stream, _headers, flags, rawHeaders) =>
        serveStream(session, socket, { stream, rawHeaders, flags }),
      );
    },
    assign: ({ socket }, owner) => {
      const session = sessions.get(socket);
      if (session !== undefined) limiter.assign(session, owner);
    },
  };
};
