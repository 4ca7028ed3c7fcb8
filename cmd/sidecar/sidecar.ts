import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import type { CallJournal } from '../../lib/calls/journal.ts';
import type { WriteText } from '../../lib/calls/line-writer.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import { LOOPBACK_TOKEN_FILE_NAME, SOCKET_FILE_NAME } from '../../lib/contract/paths.ts';
import { createNotedExchange } from '../../lib/runs/noted-exchange.ts';
import { createRefusalMemory, type RefusalMemory } from '../../lib/runs/refusal-memory.ts';
import { createRunRegistry, type RunRegistry } from '../../lib/runs/run-registry.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import { createConnectionLimiter } from '../../lib/edge/http/connection-limits.ts';
import { createLoopbackAuthenticator } from '../../lib/edge/http/loopback-auth.ts';
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
import type { FindPeerUid } from '../../lib/edge/gateway/peer.ts';
import { NO_TRACING, type Tracing } from '../../lib/edge/telemetry/tracing.ts';
import { createLazySidecarMetrics } from '../../lib/edge/telemetry/lazy-sidecar-metrics.ts';
import { createMetricsServer } from '../../lib/edge/telemetry/metrics-server.ts';
import type { GatewayState, SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { SidecarConfig } from './config.ts';
import type { CredentialSource } from './credential-source.ts';
import type * as gatewayModule from './gateway.ts';
import type { Gateway } from './gateway.ts';
import { createObservedExchange } from './observed-exchange.ts';
import { createRoutes } from './routes.ts';
import { isReadable } from './token-file.ts';

/** Loaded only for pods with sign tasks: others would keep it in memory. */
type GatewayModule = typeof gatewayModule;

/** Of the 1.5 s until the exit: for the lines of calls that the ends of their runs cut. */
const CUT_MS = 200;
/** Of the 1.5 s until the exit. A run whose end is not reported by then expires at its deadline. */
const REPORT_MS = 1_000;

export type SidecarDeps = {
  readonly config: SidecarConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** Standard output, for the journal of calls. */
  readonly write: WriteText;
  readonly createCredentialSource: (metrics: SidecarMetrics) => CredentialSource;
  /** Absent: off. */
  readonly tracing?: Pick<Tracing, 'wrap' | 'traceId'>;
  /** How long requests get 503 after shutdown began. */
  readonly drainMs: number;
  /** For tests, whose clouds are on loopback. */
  readonly isCloudAddress?: (address: string) => boolean;
  /** For tests, whose clients have the user of the sidecar. */
  readonly findPeerUid?: FindPeerUid | undefined;
};

export type Sidecar = {
  readonly loopbackPort: number;
  readonly telemetryPort: number;
  /** Absent if no task has delivery `sign`. */
  readonly gatewayPort?: number;
  /** Tasks of provider `postgres` → their ports on loopback. */
  readonly databasePorts?: ReadonlyMap<string, number>;
  /** Ends every run, returns 503 for `drainMs`, and stops listening. */
  readonly stop: () => Promise<void>;
};

/** Stops listening and closes all connections. */
type Close = () => Promise<void>;

/**
 * Starts to serve the pod's consumers. The loopback tokens are published last, after the ports are
 * bound and everything that can fail has succeeded: otherwise consumers could send a token to another
 * process that holds the port.
 *
 * @throws ListenError that names the setting if a port or socket cannot be bound
 * @throws SeedFileError
 */
export const startSidecar = async (deps: SidecarDeps): Promise<Sidecar> => {
  const closers: Close[] = [];
  try {
    return await startServing(deps, closers);
  } catch (thrown) {
    await Promise.all(closers.map((close) => close()));
    throw thrown;
  }
};

/** @param closers gets a function for each listener */
const startServing = async (deps: SidecarDeps, closers: Close[]): Promise<Sidecar> => {
  const { config, log, schedule } = deps;
  const module = await loadGatewayModule(config);
  const refusals = createRefusalMemory({ canPropose: config.trust === 'authority' });
  const { registry, metrics, source, signing } = createRegistry(deps, {
    ...{ module, refusals },
    readGateway: () => gateway?.readState(),
  });
  const tokens = new Map(config.admitted.consumers.map((c) => [c, newLoopbackToken()]));
  const { admitted, trust } = config;
  const { countRequest } = metrics;
  const routes = createRoutes({
    ...{ admitted, trust, registry, schedule, log, countRequest, refusals },
    propose: source.authority?.propose,
    delegate: source.authority?.delegate,
    getGatewayOrigin: () => `http://${config.gatewayListen.host}:${gateway?.port ?? 0}`,
  });
  const loopback = await listenOnLoopback(config, tokens, routes.loopback);
  closers.push(() => closeListener(loopback));
  await listenOnSockets(config, { createListener: routes.socket, closers });
  const gateway = await signing?.startGateway({
    ...{ ...deps, ...signing, tokens, metrics, refusals },
    decideCall: source.authority?.decideCall,
  });
  if (gateway !== undefined) closers.push(gateway.stop);
  const unready = () => (isReadable(config.tokenFile) ? [] : [SIDECAR_ENV.tokenFile]);
  const telemetry = createMetricsServer({ ...metrics, unready });
  closers.push(() => closeListener(telemetry));
  await listenOnAddress(telemetry, { ...config.telemetry, setting: SIDECAR_ENV.telemetry });
  for (const [consumer, token] of tokens) publishToken(getTokenPath(config, consumer), token);
  logReady(deps);
  setImmediate(() => {
    source.authority?.subscribe(registry);
    void metrics.load();
  });
  return {
    loopbackPort: getPort(loopback),
    telemetryPort: getPort(telemetry),
    ...(gateway && { gatewayPort: gateway.port, databasePorts: gateway.databasePorts }),
    stop: () =>
      stopSidecar(deps, { registry, source, closers, gateway, journal: signing?.journal }),
  };
};

const logReady = ({ config, log }: SidecarDeps): void =>
  log.info('sidecar ready', {
    pod: `${config.podNamespace}/${config.podName}`,
    injectionTemplate: config.injectionTemplate,
    consumers: config.admitted.consumers,
    tasks: config.admitted.tasks.map(({ name }) => name),
  });

const listenOnSockets = async (
  { admitted, consumersFolder }: SidecarConfig,
  options: { createListener: ReturnType<typeof createRoutes>['socket']; closers: Close[] },
): Promise<void> => {
  await Promise.all(
    admitted.consumers.map(async (consumer) => {
      const server = createLocalServer(options.createListener(consumer));
      options.closers.push(() => closeListener(server));
      const path = join(consumersFolder, consumer, SOCKET_FILE_NAME);
      await listenOnSocket(server, { path, setting: SIDECAR_ENV.consumersFolder });
    }),
  );
};

const loadGatewayModule = async ({
  admitted: { tasks },
}: SidecarConfig): Promise<GatewayModule | undefined> =>
  tasks.some(({ delivery }) => delivery === 'sign') ? import('./gateway.ts') : undefined;

/** @throws SeedFileError */
const createRegistry = (
  deps: SidecarDeps,
  {
    module,
    refusals,
    readGateway,
  }: {
    module: GatewayModule | undefined;
    refusals: RefusalMemory;
    readGateway: () => GatewayState | undefined;
  },
) => {
  const { config, clock, schedule, log, createCredentialSource, tracing = NO_TRACING } = deps;
  const localKeys = module?.createPodKeys(config);
  const budgets = module?.createPodBudgets(config, clock);
  const metrics = createLazySidecarMetrics({
    tasks: config.admitted.tasks.map(({ name }) => name),
    readExpirations: () => findLatestExpirations(registry, clock.now()),
    authority: () => source.authority?.getConnectionState(),
    gateway: readGateway,
    readBudgetShares: () => budgets?.listShares() ?? [],
    readGates: () =>
      source.authority && registry.listActive().flatMap(({ oversight }) => oversight?.gates ?? []),
  });
  const source = createCredentialSource(metrics);
  const fixedKeyAnswers = new Map<string, boolean>();
  const registry: RunRegistry = createRunRegistry({
    exchange: createNotedExchange(
      tracing.wrap(
        'sidecar.exchange',
        createObservedExchange(source.exchange, {
          ...{ metrics, log, clock, fixedKeyAnswers },
          ...{ createRequestId: randomUUID, traceId: tracing.traceId },
        }),
        'root',
      ),
      { refusals, createId: randomUUID },
    ),
    clock,
    schedule,
    revocationsCurrentUntil: source.authority?.revocationsCurrentUntil,
    localKeys,
    budgets,
    observer: {
      started: ({ run, task, consumer, requestId: request }) => {
        metrics.runStarted(task.name);
        log.info('run started', {
          ...{ run, task: task.name, consumer },
          ...(request !== undefined && { request }),
        });
      },
      ended: (ended, reason) => {
        const { run, task, consumer } = ended;
        signing?.runs.end(ended, reason);
        // Calls with vended keys do not pass here: that there were none must not be reported.
        if (task.delivery === 'sign') signing?.journal.endRun(run);
        source.authority?.reportRunEnd(ended, reason);
        metrics.runEnded(task.name, reason);
        log.info('run ended', { run, task: task.name, consumer, reason });
      },
      discarded: (issued) => source.authority?.reportDiscarded(issued),
    },
  });
  const { gateway: access } = config;
  const signing = module &&
    localKeys &&
    access && {
      ...{ access, localKeys, fixedKeyAnswers },
      runs: module.createPodCallRuns(config, {
        ...{ registry, schedule, budgets },
        reporting: {
          ...{ decideCall: source.authority?.decideCall, schedule, log },
          random: Math.random,
        },
      }),
      journal: module.createCallJournal(access, { ...deps, report: source.authority?.reportCalls }),
      startGateway: module.startGateway,
    };
  return { registry, metrics, source, signing };
};

/** The deadline of the longest-lived run of each task, in milliseconds since the epoch. */
const findLatestExpirations = (registry: RunRegistry, now: number): ReadonlyMap<string, number> => {
  const latest = new Map<string, number>();
  for (const run of registry.listActive()) {
    const expiration = now + Math.max(0, registry.remainingMs(run));
    latest.set(run.task.name, Math.max(expiration, latest.get(run.task.name) ?? 0));
  }
  return latest;
};

const listenOnLoopback = async (
  config: SidecarConfig,
  tokens: ReadonlyMap<string, string>,
  createListener: ReturnType<typeof createRoutes>['loopback'],
): Promise<Server> => {
  const server = createLocalServer();
  const assign = createConnectionLimiter(server);
  await listenOnAddress(server, { ...config.loopback, setting: SIDECAR_ENV.loopback });
  const host = `${config.loopback.host}:${getPort(server)}`;
  const authenticate = createLoopbackAuthenticator({ host, tokens });
  const listener = createListener((request) => {
    const caller = authenticate(request);
    if (caller.kind === 'consumer') assign(request.socket, caller.consumer);
    return caller;
  });
  server.on('request', listener);
  return server;
};

const stopSidecar = async (
  { config, schedule, log, drainMs }: SidecarDeps,
  {
    registry,
    source,
    closers,
    gateway,
    journal,
  }: {
    registry: RunRegistry;
    source: CredentialSource;
    closers: readonly Close[];
    gateway: Gateway | undefined;
    journal: CallJournal | undefined;
  },
): Promise<void> => {
  const runs = registry.close();
  log.info('sidecar shutting down', { runs });
  for (const consumer of config.admitted.consumers) withdrawToken(getTokenPath(config, consumer));
  const drained = new Promise<void>((resolve) => void schedule(drainMs, resolve));
  const cut = new Promise<void>((resolve) => void schedule(CUT_MS, resolve));
  await Promise.race([gateway?.waitIdle(), cut]);
  journal?.close();
  await Promise.all([drained, source.authority?.shutdown(REPORT_MS)]);
  await Promise.all(closers.map((close) => close()));
};

const getTokenPath = ({ consumersFolder }: SidecarConfig, consumer: string): string =>
  join(consumersFolder, consumer, LOOPBACK_TOKEN_FILE_NAME);

const getPort = (server: Server): number => (server.address() as AddressInfo).port;
