import { chmodSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { ListenOptions, Server as SocketServer } from 'node:net';
import type { Duplex } from 'node:stream';

/**
 * Per listener: a consumer that uses up the connections of its socket does not affect the others. For
 * the shared loopback listener, `createConnectionLimiter` limits each consumer.
 */
const MAX_CONNECTIONS = 256;

/** What a listener allows its clients; times in milliseconds. */
export type ListenerLimits = {
  readonly headerBytes: number;
  /** For the head and the body of a request; 0: only the head is limited. */
  readonly requestMs: number;
  /** Without a request. */
  readonly idleMs: number;
  /** Without progress of a request or a response. */
  readonly stallMs: number;
};

/** Requests for credentials are small, and so are the responses. */
const CREDENTIALS_LIMITS: ListenerLimits = {
  headerBytes: 8 * 1024,
  requestMs: 10_000,
  idleMs: 5_000,
  stallMs: 30_000,
};

/** A listener cannot bind its address or path; the message names the setting. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** Creates a plain HTTP/1.1 server with strict limits for clients in the pod; it does not listen yet. */
export const createLocalServer = (
  handler?: RequestListener,
  { headerBytes, requestMs, idleMs, stallMs } = CREDENTIALS_LIMITS,
): Server => {
  const server = createServer(
    {
      maxHeaderSize: headerBytes,
      headersTimeout: 5_000,
      requestTimeout: requestMs,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: idleMs,
      noDelay: true,
    },
    handler,
  );
  server.maxConnections = MAX_CONNECTIONS;
  // No limit of the number: Node would drop headers before they are checked. The size is limited.
  server.maxHeadersCount = 0;
  // Closes the connection of a client that stops reading.
  server.timeout = stallMs;
  const hasBegun = watchResponses(server);
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A refusal within another response would be taken for a part of it.
    if (hasBegun(socket)) socket.destroy();
    else refuseMalformed(error, socket);
  });
  server.on('connect', refuseTunnel);
  return server;
};

/** @returns whether a response is being sent on a socket */
const watchResponses = (server: Server): ((socket: Duplex) => boolean) => {
  const current = new WeakMap<Duplex, Set<ServerResponse>>();
  server.prependListener('request', ({ socket }: IncomingMessage, outgoing: ServerResponse) => {
    const responses = current.get(socket) ?? new Set();
    current.set(socket, responses.add(outgoing));
    outgoing.once('close', () => responses.delete(outgoing));
  });
  return (socket) => [...(current.get(socket) ?? [])].some(({ headersSent }) => headersSent);
};

const refuseMalformed = ({ code }: NodeJS.ErrnoException, socket: Duplex): void => {
  if (code === 'HPE_PAUSED_H2_UPGRADE') {
    sendGoAway(socket);
    return;
  }
  const [status, refusal] = ERROR_RESPONSES[code ?? ''] ?? ['400 Bad Request', 'bad_request'];
  sendAndClose(socket, status, refusal);
};

const ERROR_RESPONSES: Readonly<Record<string, readonly [status: string, refusal: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'headers_too_large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'request_timeout'],
};

/** Empty SETTINGS and GOAWAY with HTTP_1_1_REQUIRED (RFC 9113, sections 6.5, 6.8 and 7). */
const GO_AWAY = Buffer.from(
  '000000040000000000' + '000008070000000000' + '000000000000000d',
  'hex',
);

/** Refuses HTTP/2 with prior knowledge in its own frames. */
const sendGoAway = (socket: Duplex): void => {
  socket.on('error', () => undefined);
  socket.end(GO_AWAY, () => socket.destroy());
};

const refuseTunnel = (_request: unknown, socket: Duplex): void =>
  sendAndClose(socket, '405 Method Not Allowed', 'method_not_allowed');

const sendAndClose = (socket: Duplex, status: string, code: string): void => {
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ Code: code, Message: 'The request was refused.' });
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json',
    'Cache-Control: no-store',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  // Node does not close such a socket. An unhandled error would end the program, and a client that
  // never closes would keep its connection indefinitely.
  socket.on('error', () => undefined);
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
};

/**
 * Listens on a TCP address.
 *
 * @throws ListenError
 */
export const listenOnAddress = async (
  server: SocketServer,
  { host, port, setting }: { host: string; port: number; setting: string },
): Promise<void> => {
  try {
    await listen(server, { host, port, exclusive: true });
  } catch (cause) {
    throw toListenError(setting, `${host}:${port}`, cause);
  }
};

/**
 * Listens on a Unix socket that every user may connect to; removes a stale socket first.
 *
 * @throws ListenError
 */
export const listenOnSocket = async (
  server: SocketServer,
  { path, setting }: { path: string; setting: string },
): Promise<void> => {
  try {
    rmSync(path, { force: true });
    await listen(server, { path });
    chmodSync(path, 0o666);
  } catch (cause) {
    throw toListenError(setting, path, cause);
  }
};

const toListenError = (setting: string, where: string, cause: unknown): ListenError => {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  const hint = code === 'EADDRINUSE' ? ': another process of this pod uses it' : '';
  return new ListenError(`${setting}: cannot listen on ${where} (${code}${hint})`, { cause });
};

const listen = (server: SocketServer, options: ListenOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });

/** Stops listening and closes all connections. */
export const closeListener = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
