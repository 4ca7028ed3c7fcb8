import type { RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

import type { Usage } from '../../contract/usage.ts';

/** PEM. */
type ServerCertificate = { readonly certificate: string; readonly key: string };

export type HttpsServer = {
  /** Serves new connections with this certificate; existing connections are not affected. */
  readonly useCertificate: (certificate: ServerCertificate) => void;
  /** Starts to listen; needs a certificate first. Empty host: all addresses. Returns the port. */
  readonly listen: (address: { readonly host: string; readonly port: number }) => Promise<number>;
  /** Open connections, those before their TLS handshake included. */
  readonly connections: () => Usage;
  /**
   * Shuts down without losing a request: keeps serving, and each response closes its connection, until
   * no request arrived for `lingerMs` (at most three times that). Then accepts no more connections and
   * waits up to `graceMs` for pending responses.
   */
  readonly drain: (times: { readonly lingerMs: number; readonly graceMs: number }) => Promise<void>;
};

export type HttpsServerOptions = {
  /** Concurrent connections: in total, and per address, so that one host cannot use all of them. */
  readonly connections: number;
  readonly perPeer: number;
  /** From the first byte of a request to the last byte of its body. */
  readonly requestTimeoutMs: number;
};

const DEFAULT_LIMITS: HttpsServerOptions = {
  connections: 1024,
  perPeer: 512,
  requestTimeoutMs: 15_000,
};

/**
 * Creates an HTTPS server for API servers and sidecars: HTTP/1.1 only, TLS 1.2 or later, small limits
 * of headers. Idle connections stay open longer than the API server's own idle timeout (90 s): a
 * server that closes first races the client's next request.
 */
export const createHttpsServer = (
  handler: RequestListener,
  limits: Partial<HttpsServerOptions> = {},
): HttpsServer => {
  const { connections, perPeer, requestTimeoutMs } = { ...DEFAULT_LIMITS, ...limits };
  let isDraining = false;
  let arrivals = 0;
  const pending = new Set<ServerResponse>();
  const server = createServer(
    { ...OPTIONS, ...buildTimeouts(requestTimeoutMs) },
    (request, response) => {
      arrivals += 1;
      if (isDraining) setConnectionClose(response);
      pending.add(response);
      response.once('close', () => pending.delete(response));
      handler(request, response);
    },
  );
  server.maxConnections = connections;
  server.on('connection', () => (arrivals += 1));
  const countOpen = limitPeers(server, perPeer);
  return {
    useCertificate: ({ certificate, key }) =>
      server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' }),
    listen: (address) => listen(server, address),
    connections: () => ({ used: countOpen(), max: connections }),
    drain: async ({ lingerMs, graceMs }) => {
      isDraining = true;
      pending.forEach(setConnectionClose);
      await waitUntilIdle(() => arrivals, lingerMs);
      await close(server, graceMs);
    },
  };
};

const OPTIONS = {
  ALPNProtocols: ['http/1.1'],
  minVersion: 'TLSv1.2',
  handshakeTimeout: 5_000,
  keepAliveTimeout: 95_000,
  maxHeaderSize: 16 * 1024,
  noDelay: true,
} as const;

/**
 * Closes connections above the limit before the TLS handshake costs CPU time.
 *
 * @returns a function that counts the open connections of all addresses
 */
const limitPeers = (server: Server, perPeer: number): (() => number) => {
  const open = new Map<string, number>();
  let total = 0;
  server.on('connection', (socket: Socket) => {
    const peer = socket.remoteAddress ?? '';
    const count = (open.get(peer) ?? 0) + 1;
    open.set(peer, count);
    total += 1;
    socket.once('close', () => {
      total -= 1;
      const left = (open.get(peer) ?? 1) - 1;
      if (left === 0) open.delete(peer);
      else open.set(peer, left);
    });
    if (count > perPeer) socket.destroy();
  });
  return () => total;
};

const buildTimeouts = (requestTimeout: number) => ({
  requestTimeout,
  headersTimeout: Math.min(5_000, requestTimeout),
  connectionsCheckingInterval: Math.min(2_000, requestTimeout / 4),
});

const setConnectionClose = (response: ServerResponse): void => {
  if (!response.headersSent) response.setHeader('Connection', 'close');
};

const listen = (
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host !== '' && { host }) }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });

/** Closes idle connections at once, busy ones after their response or after `graceMs`. */
const close = async (server: Server, graceMs: number): Promise<void> => {
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearTimeout(timer);
};

/** The limit for clients that never stop sending requests. */
const MAX_LINGERS = 3;

/**
 * Waits until no request arrived for `lingerMs`. A timer fires before sockets are read. Sockets are
 * therefore read once more before the check: a process without CPU time would drop unread requests.
 */
const waitUntilIdle = async (arrivals: () => number, lingerMs: number): Promise<void> => {
  for (let linger = 0; linger < MAX_LINGERS; linger += 1) {
    const before = arrivals();
    await wait(lingerMs);
    await new Promise((resolve) => setImmediate(resolve));
    if (arrivals() === before) return;
  }
};

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
