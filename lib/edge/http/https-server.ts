import type { RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** PEM. */
type ServerCertificate = { readonly certificate: string; readonly key: string };

export type HttpsServer = {
  /** Serves new connections with this certificate; those that stand are not disturbed. */
  readonly useCertificate: (certificate: ServerCertificate) => void;
  /** Begins to listen; needs a certificate before. An empty host: every address. Answers the port. */
  readonly listen: (address: { readonly host: string; readonly port: number }) => Promise<number>;
  /**
   * Ends without losing a request: it serves on, each answer closing its connection, until nothing
   * came for `lingerMs` (three times that at most); then it takes no more, and waits up to `graceMs` for
   * the answers under way.
   */
  readonly drain: (times: { readonly lingerMs: number; readonly graceMs: number }) => Promise<void>;
};

export type HttpsServerOptions = {
  /** Connections at once: in all, and from one address, so that one host cannot take them all. */
  readonly connections: number;
  readonly perPeer: number;
  /** From a request's first byte to the last of its body. */
  readonly requestTimeoutMs: number;
};

const DEFAULT_LIMITS: HttpsServerOptions = {
  connections: 1024,
  perPeer: 512,
  requestTimeoutMs: 15_000,
};

/**
 * An HTTPS server, for API servers and sidecars: HTTP/1.1 only, TLS 1.2 or later, small limits on what comes
 * before a body, and connections that outlive the API server's own idea of idle (a server that
 * closes first races its next request).
 */
export const createHttpsServer = (
  handler: RequestListener,
  limits: Partial<HttpsServerOptions> = {},
): HttpsServer => {
  const { connections, perPeer, requestTimeoutMs } = { ...DEFAULT_LIMITS, ...limits };
  let isDraining = false;
  let arrivals = 0;
  const underWay = new Set<ServerResponse>();
  const server = createServer(
    { ...OPTIONS, ...buildTimeouts(requestTimeoutMs) },
    (request, answer) => {
      arrivals += 1;
      if (isDraining) setConnectionClose(answer);
      underWay.add(answer);
      answer.once('close', () => underWay.delete(answer));
      handler(request, answer);
    },
  );
  server.maxConnections = connections;
  server.on('connection', () => (arrivals += 1));
  limitPeers(server, perPeer);
  return {
    useCertificate: ({ certificate, key }) =>
      server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' }),
    listen: (address) => listen(server, address),
    drain: async ({ lingerMs, graceMs }) => {
      isDraining = true;
      underWay.forEach(setConnectionClose);
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

/** One over the limit is closed before a handshake costs anything. */
const limitPeers = (server: Server, perPeer: number): void => {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const peer = socket.remoteAddress ?? '';
    const count = (open.get(peer) ?? 0) + 1;
    open.set(peer, count);
    socket.once('close', () => {
      const left = (open.get(peer) ?? 1) - 1;
      if (left === 0) open.delete(peer);
      else open.set(peer, left);
    });
    if (count > perPeer) socket.destroy();
  });
};

const buildTimeouts = (requestTimeout: number) => ({
  requestTimeout,
  headersTimeout: Math.min(5_000, requestTimeout),
  connectionsCheckingInterval: Math.min(2_000, requestTimeout / 4),
});

const setConnectionClose = (answer: ServerResponse): void => {
  if (!answer.headersSent) answer.setHeader('Connection', 'close');
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

/** Idle connections are closed at once, busy ones when their answer is out or `graceMs` is over. */
const close = async (server: Server, graceMs: number): Promise<void> => {
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearTimeout(timer);
};

/** Of those who ask without end nobody waits for the end. */
const MAX_LINGERS = 3;

/**
 * Until nothing came for so long. A timer fires before sockets are read, so what lies there by then is
 * let in before it is asked: it would be cut off, unread, by a process that was kept from its CPU.
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
