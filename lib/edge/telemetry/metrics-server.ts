import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
} from 'node:http';
import type { Socket } from 'node:net';

import { CONTENT_TYPES, selectFormat, type MetricsFormat } from './metrics-format.ts';

/** What the telemetry port serves; none of it is secret. */
export type MetricsServerDeps = {
  readonly render: (format: MetricsFormat) => Promise<string>;
  /** The failed readiness checks; empty: the program is ready. */
  readonly unready: () => readonly string[];
};

/**
 * Creates an HTTP server with `/metrics`, `/healthz` and `/readyz` for the kubelet and Prometheus.
 * The caller makes it listen. `/healthz` checks only that the event loop runs.
 */
export const createMetricsServer = (telemetry: MetricsServerDeps): Server => {
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      const [path = ''] = (request.url ?? '').split('?');
      const route = request.method === 'GET' ? ROUTES.get(path) : undefined;
      void handleRoute(route, request, telemetry).then(({ status, body, contentType = TEXT }) => {
        response.writeHead(status, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
        response.end(body);
      });
    },
  );
  limitConnections(server);
  return server;
};

const MAX_CONNECTIONS = 64;

/** Closes the oldest connection for a new one, so that open connections cannot block a probe. */
const limitConnections = (server: Server): void => {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const [oldest] = open;
    if (open.size <= MAX_CONNECTIONS || oldest === undefined) return;
    open.delete(oldest);
    oldest.destroy();
  });
};

const TEXT = 'text/plain; charset=utf-8';

type Reply = { readonly status: number; readonly body: string; readonly contentType?: string };
type Route = (telemetry: MetricsServerDeps, headers: IncomingHttpHeaders) => Reply | Promise<Reply>;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/healthz', () => ({ status: 200, body: 'ok\n' })],
  ['/readyz', ({ unready }) => renderReadiness(unready())],
  [
    '/metrics',
    async ({ render }, { accept }) => {
      const format = selectFormat(accept);
      return { status: 200, body: await render(format), contentType: CONTENT_TYPES[format] };
    },
  ],
]);

const renderReadiness = (unready: readonly string[]): Reply =>
  unready.length === 0
    ? { status: 200, body: 'ok\n' }
    : { status: 503, body: `not ready: ${unready.join(', ')}\n` };

const handleRoute = async (
  route: Route | undefined,
  { headers }: IncomingMessage,
  telemetry: MetricsServerDeps,
): Promise<Reply> => {
  try {
    return route === undefined
      ? { status: 404, body: 'not found\n' }
      : await route(telemetry, headers);
  } catch {
    return { status: 500, body: 'internal error\n' };
  }
};
