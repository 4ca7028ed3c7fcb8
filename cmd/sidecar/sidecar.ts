import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import type { Clock } from '../../lib/contract/clock.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import { LOOPBACK_TOKEN_FILE_NAME, SOCKET_FILE_NAME } from '../../lib/contract/paths.ts';
import { openRunBook, type RunBook } from '../../lib/credentials/run-book.ts';
import type { Schedule } from '../../lib/credentials/schedule.ts';
import { budgetConnections } from '../../lib/edge/http/connection-budgets.ts';
import { openLoopbackGuard } from '../../lib/edge/http/local-guard.ts';
import {
  closeListener,
  createLocalServer,
  listenOnAddress,
  listenOnSocket,
} from '../../lib/edge/http/local-listener.ts';
import {
  newLoopbackToken,
  publishToken,
  withdrawToken,
} from '../../lib/edge/http/local-token-file.ts';
import { openLateSidecarMetrics } from '../../lib/edge/telemetry/late-sidecar-metrics.ts';
import { createMetricsServer } from '../../lib/edge/telemetry/metrics-server.ts';
import type { SidecarConfig } from './config.ts';
import { observedExchange } from './observed-exchange.ts';
import { openRoutes } from './routes.ts';
import { isReadable } from './token-file.ts';
import type { OpenTrust, Trust } from './trust.ts';

/** Of the 1.5 s that there are: what is not told by then, the deadline tells. */
const LEAVE_MS = 1_000;

export type SidecarParts = {
  readonly config: SidecarConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly openTrust: OpenTrust;
  /** So long 503 is answered after the end, for those who still ask. */
  readonly farewellMs: number;
};

export type Sidecar = {
  readonly loopbackPort: number;
  readonly telemetryPort: number;
  /** Ends every run, answers 503 for a moment, and stops listening. */
  readonly stop: () => Promise<void>;
};

/**
 * Serves the pod's consumers. A loopback token is published only once its port is ours, and nothing
 * that could end the program is left to do.
 *
 * @throws Error that names the setting, when a port cannot be had
 */
export const startSidecar = async (parts: SidecarParts): Promise<Sidecar> => {
  const { config, log } = parts;
  const { book, metrics, trust } = openBook(parts);
  const tokens = new Map(config.admitted.consumers.map((c) => [c, newLoopbackToken()]));
  const routes = openRoutes({ ...config, book, log, countRequest: metrics.countRequest });
  const loopback = await listenOnLoopback(config, tokens, routes.loopback);
  const unready = () => (isReadable(config.tokenFile) ? [] : [SIDECAR_ENV.tokenFile]);
  const telemetry = createMetricsServer({ ...metrics, unready });
  const sockets = await Promise.all(
    config.admitted.consumers.map(async (consumer) => {
      const server = createLocalServer(routes.socket(consumer));
      const path = join(config.consumersFolder, consumer, SOCKET_FILE_NAME);
      await listenOnSocket(server, { path, setting: SIDECAR_ENV.consumersFolder });
      return server;
    }),
  );
  await listenOnAddress(telemetry, { ...config.telemetry, setting: SIDECAR_ENV.telemetry });
  for (const [consumer, token] of tokens) publishToken(tokenPath(config, consumer), token);
  log.info('sidecar ready', {
    pod: `${config.podNamespace}/${config.podName}`,
    profile: config.profile,
    consumers: config.admitted.consumers,
    tasks: config.admitted.tasks.map(({ name }) => name),
  });
  setImmediate(() => {
    trust.authority?.listen(book);
    void metrics.load();
  });
  return {
    loopbackPort: portOf(loopback),
    telemetryPort: portOf(telemetry),
    stop: () => stop(parts, { book, trust, servers: [loopback, telemetry, ...sockets] }),
  };
};

const openBook = ({ clock, schedule, log, openTrust }: SidecarParts) => {
  const metrics = openLateSidecarMetrics({
    remainingSeconds: () => remainingSeconds(book),
    authority: () => trust.authority?.reading(),
  });
  const trust = openTrust(metrics);
  const book: RunBook = openRunBook({
    exchange: observedExchange(trust.exchange, { metrics, log, clock }),
    clock,
    schedule,
    knownAt: trust.authority?.knownAt,
    observer: {
      started: ({ run, task, consumer }) => {
        metrics.runStarted(task.name);
        log.info('run started', { run, task: task.name, consumer });
      },
      ended: (ended, reason) => {
        const { run, task, consumer } = ended;
        trust.authority?.runEnded(ended, reason);
        metrics.runEnded(task.name, reason);
        log.info('run ended', { run, task: task.name, consumer, reason });
      },
    },
  });
  return { book, metrics, trust };
};

/** What remains of the longest-lived run of each task. */
const remainingSeconds = (book: RunBook): ReadonlyMap<string, number> => {
  const longest = new Map<string, number>();
  for (const run of book.live()) {
    const seconds = Math.max(0, book.remainingMs(run) / 1000);
    longest.set(run.task.name, Math.max(seconds, longest.get(run.task.name) ?? 0));
  }
  return longest;
};

const listenOnLoopback = async (
  config: SidecarConfig,
  tokens: ReadonlyMap<string, string>,
  loopback: ReturnType<typeof openRoutes>['loopback'],
): Promise<Server> => {
  const server = createLocalServer();
  const assign = budgetConnections(server);
  await listenOnAddress(server, { ...config.loopback, setting: SIDECAR_ENV.loopback });
  const host = `${config.loopback.host}:${portOf(server)}`;
  const guard = openLoopbackGuard({ host, tokens });
  const admit: typeof guard = (request) => {
    const who = guard(request);
    if (who.kind === 'consumer') assign(request.socket, who.consumer);
    return who;
  };
  server.on('request', loopback(admit));
  return server;
};

const stop = async (
  { config, schedule, log, farewellMs }: SidecarParts,
  { book, trust, servers }: { book: RunBook; trust: Trust; servers: readonly Server[] },
): Promise<void> => {
  const runs = book.close();
  log.info('sidecar ending', { runs });
  for (const consumer of config.admitted.consumers) withdrawToken(tokenPath(config, consumer));
  const farewell = new Promise<void>((resolve) => void schedule(farewellMs, resolve));
  await Promise.all([farewell, trust.authority?.leave(LEAVE_MS)]);
  await Promise.all(servers.map(closeListener));
};

const tokenPath = ({ consumersFolder }: SidecarConfig, consumer: string): string =>
  join(consumersFolder, consumer, LOOPBACK_TOKEN_FILE_NAME);

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
