import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { readProtocol } from './first-bytes.ts';
import type { StreamConnection } from './http2-exchange.ts';
import type { Http2Sessions } from './http2-sessions.ts';
import { closeListener, createLocalServer, type ListenerLimits } from './local-listener.ts';

/** Uploads take as long as they move. SDKs keep idle connections for up to a minute. */
const GATEWAY_LIMITS: ListenerLimits = {
  headerBytes: 32 * 1024,
  requestMs: 0,
  idleMs: 60_000,
  stallMs: 60_000,
};
/** For the first bytes of a connection, as for the head of a request. */
const HEADER_MS = 5_000;

type Exchange = { readonly incoming: IncomingMessage; readonly outgoing: ServerResponse };

/** The request is complete and nothing is left to send: the client waits for the cloud. */
const isWaitingForCloud = (socket: Socket, { incoming, outgoing }: Exchange): boolean =>
  incoming.complete && !outgoing.writableEnded && socket.writableLength === 0;

/** Times in milliseconds that tests shorten. */
export type GatewayTimes = Pick<ListenerLimits, 'stallMs' | 'idleMs'> & {
  readonly headerMs: number;
};

const TIMES: GatewayTimes = { ...GATEWAY_LIMITS, headerMs: HEADER_MS };

/** A listener for calls; `server` is yet to listen. */
export type GatewayServer = {
  readonly server: Server;
  /**
   * Takes note whose request it was, if it came over HTTP/2, where one connection has many.
   *
   * @returns the connection
   */
  readonly assign: (incoming: IncomingMessage, owner: string) => Socket;
  readonly close: () => Promise<void>;
};

/**
 * Creates the server of calls; it does not listen yet. A client that neither sends the rest of its
 * request nor reads its response for a minute is closed; one that waits for the cloud is not.
 *
 * A connection that begins with `PRI ` is HTTP/2 (prior knowledge); that code is loaded then.
 */
export const createGatewayServer = (
  handler: RequestListener,
  times: Partial<GatewayTimes> = {},
): GatewayServer => {
  const limits = { ...GATEWAY_LIMITS, ...TIMES, ...times };
  const server = createHttp1Server(handler, limits);
  const http2 = createLazySessions(handler, limits);
  /** Those that the server itself does not close: not yet of HTTP/1.1, or never. */
  const others = new Set<Socket>();
  const [serveHttp1] = server.listeners('connection');
  server.removeAllListeners('connection').on('connection', (socket: Socket) => {
    others.add(socket);
    socket.once('close', () => others.delete(socket));
    readProtocol(socket, limits.headerMs, (protocol) => {
      if (protocol === 'http2') {
        http2.serve(socket);
        return;
      }
      others.delete(socket);
      serveHttp1?.call(server, socket);
    });
  });
  return {
    server,
    assign: (incoming, owner) => {
      http2.assign(incoming, owner);
      const { socket } = incoming.socket as Socket | StreamConnection as Partial<StreamConnection>;
      return socket ?? incoming.socket;
    },
    close: () => {
      const closed = closeListener(server);
      for (const socket of others) socket.destroy();
      return closed;
    },
  };
};

const createHttp1Server = (handler: RequestListener, limits: ListenerLimits): Server => {
  const current = new WeakMap<Socket, Exchange>();
  const handle: RequestListener = (incoming, outgoing) => {
    current.set(incoming.socket, { incoming, outgoing });
    handler(incoming, outgoing);
  };
  const server = createLocalServer(handle, limits);
  // The handler decides before it asks for the body.
  server.on('checkContinue', (incoming, outgoing) => server.emit('request', incoming, outgoing));
  server.on('timeout', (socket: Socket) => {
    const exchange = current.get(socket);
    if (exchange !== undefined && isWaitingForCloud(socket, exchange))
      socket.setTimeout(limits.stallMs);
    else socket.destroy();
  });
  return server;
};

/** HTTP/2 takes memory that few pods need. */
const createLazySessions = (
  handler: RequestListener,
  limits: ListenerLimits & GatewayTimes,
): Http2Sessions => {
  let loaded: Http2Sessions | undefined;
  const load = async (): Promise<Http2Sessions> => {
    const { createHttp2Sessions } = await import('./http2-sessions.ts');
    return (loaded ??= createHttp2Sessions(handler, limits));
  };
  return {
    serve: (socket) => {
      if (loaded !== undefined) {
        loaded.serve(socket);
        return;
      }
      const close = (): void => void socket.destroy();
      socket.on('error', close);
      load().then((sessions) => {
        socket.off('error', close);
        if (!socket.destroyed) sessions.serve(socket);
      }, close);
    },
    assign: (incoming, owner) => loaded?.assign(incoming, owner),
  };
};
