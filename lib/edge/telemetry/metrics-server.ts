import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';

/** What the telemetry port tells; nothing of it is secret. */
export type MetricsServerDeps = {
  readonly contentType: string;
  readonly render: () => Promise<string>;
  /** What keeps the program from being ready; empty: it is. */
  readonly unready: () => readonly string[];
};

/**
 * A plain HTTP server for `/metrics`, `/healthz` and `/readyz`, for kubelets and Prometheus; not
 * listening yet. `/healthz` says no more than that the event loop turns.
 */
export const createMetricsServer = (telemetry: MetricsServerDeps): Server => {
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (request, answer) => {
      const [path = ''] = (request.url ?? '').split('?');
      const route = request.method === 'GET' ? ROUTES.get(path) : undefined;
      void handleRoute(route, telemetry).then(({ status, body, contentType = TEXT }) => {
        answer.writeHead(status, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
        answer.end(body);
      });
    },
  );
  limitConnections(server);
  return server;
};

const MAX_CONNECTIONS = 64;

/** The oldest is cut for the newest: whoever holds connections open keeps no probe out. */
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
type Route = (telemetry: MetricsServerDeps) => Reply | Promise<Reply>;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/healthz', () => ({ status: 200, body: 'ok\n' })],
  ['/readyz', ({ unready }) => renderReadiness(unready())],
  [
    '/metrics',
    async ({ render, contentType }) => ({ status: 200, body: await render(), contentType }),
  ],
]);

const renderReadiness = (unready: readonly string[]): Reply =>
  unready.length === 0
    ? { status: 200, body: 'ok\n' }
    : { status: 503, body: `not ready: ${unready.join(', ')}\n` };

const handleRoute = async (
  route: Route | undefined,
  telemetry: MetricsServerDeps,
): Promise<Reply> => {
  try {
    return route === undefined ? { status: 404, body: 'not found\n' } : await route(telemetry);
  } catch {
    return { status: 500, body: 'internal error\n' };
  }
};
