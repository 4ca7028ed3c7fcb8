import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { closeAfterCanary } from '../../lib/calls/canaries.ts';
import { createCallRuns, type CallRuns } from '../../lib/calls/call-runs.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { GATEWAY_SOCKET_FILE_NAME, SEED_FILE_NAME } from '../../lib/contract/paths.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { Task } from '../../lib/contract/task.ts';
import { createClientIdentification } from '../../lib/edge/gateway/http-identity.ts';
import { createConnectionLimiter } from '../../lib/edge/http/connection-limits.ts';
import { createGatewayServer } from '../../lib/edge/http/gateway-listener.ts';
import { listenOnAddress, listenOnSocket } from '../../lib/edge/http/local-listener.ts';
import type { GatewayState } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { createLocalKeys, type LocalKeys } from '../../lib/runs/local-keys.ts';
import { createRunBudgets, type RunBudgets } from '../../lib/runs/run-budgets.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import { createBudgetStore } from './budget-file.ts';
import { createCanaryReporter, type CanaryReportDeps } from './canary-reports.ts';
import type { SidecarConfig } from './config.ts';
import type { GatewayHandler, GatewayHandlerDeps, GatewayListener } from './gateway-handler.ts';
import type { DatabaseSessionDeps, DatabaseSessions } from './database-sessions.ts';
import { createPodFixedKey, type PodFixedKeyDeps } from './pod-fixed-key.ts';
import { readOrCreateSeed } from './seed-file.ts';

export { createCallJournal } from '../../lib/calls/journal.ts';

export type GatewayDeps = Omit<GatewayHandlerDeps, 'admitted' | 'metrics'> &
  PodFixedKeyDeps & {
    readonly metrics: GatewayHandlerDeps['metrics'] & PodFixedKeyDeps['metrics'];
    /** Consumer → its loopback token. */
    readonly tokens: ReadonlyMap<string, string>;
  };

export type Gateway = {
  readonly port: number;
  /** Tasks of provider `postgres` → their ports on loopback. */
  readonly databasePorts: ReadonlyMap<string, number>;
  /** @returns undefined before the first connection */
  readonly readState: () => GatewayState | undefined;
  /** Resolves when no call is in progress. */
  readonly waitIdle: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const listSignTasks = ({ admitted }: SidecarConfig): readonly Task[] =>
  admitted.tasks.filter(({ delivery }) => delivery === 'sign');

const listConsumers = (tasks: readonly Task[]): readonly string[] => [
  ...new Set(tasks.flatMap(({ containers }) => containers)),
];

/**
 * Creates the local keys of the pod's AWS tasks with delivery `sign`, from the seed in each consumer's volume.
 *
 * @returns undefined if no task has delivery `sign`
 * @throws SeedFileError
 */
export const createPodKeys = (config: SidecarConfig): LocalKeys | undefined => {
  const signTasks = listSignTasks(config);
  if (signTasks.length === 0) return undefined;
  const awsTasks = signTasks.filter(({ provider }) => provider === 'aws');
  const getPath = (consumer: string) => join(config.consumersFolder, consumer, SEED_FILE_NAME);
  return createLocalKeys({
    seeds: new Map(listConsumers(awsTasks).map((name) => [name, readOrCreateSeed(getPath(name))])),
    tasks: awsTasks
      .filter(({ params }) => Object.keys(params).length === 0)
      .flatMap(({ name: task, containers }) => containers.map((consumer) => ({ consumer, task }))),
    randomBytes,
  });
};

/**
 * Creates the budgets of the pod's sign tasks.
 *
 * @returns undefined if no task has one
 * @throws BudgetFileError
 */
export const createPodBudgets = (
  config: SidecarConfig,
  clock: Pick<Clock, 'now'>,
): RunBudgets | undefined => {
  const limited = listSignTasks(config).filter(({ budget }) => budget !== undefined);
  return limited.length === 0
    ? undefined
    : createRunBudgets({
        consumers: listConsumers(limited),
        store: createBudgetStore(config.consumersFolder),
        clock,
      });
};

/** Creates what connects the pod's runs with its calls. */
export const createPodCallRuns = (
  { admitted, trust }: SidecarConfig,
  {
    registry,
    schedule,
    budgets,
    reporting,
  }: {
    registry: RunRegistry;
    schedule: Schedule;
    budgets: RunBudgets | undefined;
    reporting: CanaryReportDeps;
  },
): CallRuns =>
  closeAfterCanary(
    createCallRuns({
      admitted,
      registry,
      schedule,
      budgets,
      unavailable: trust === 'authority' ? 'authority_unreachable' : 'upstream_unreachable',
    }),
    createCanaryReporter(reporting),
  );

/**
 * Starts to listen for calls, on loopback and on a socket of each consumer of a sign task. Everything
 * that handles a call is loaded at the first connection: it takes more memory than the rest of a sidecar.
 *
 * @throws ListenError that names the setting if a port or socket cannot be bound
 */
export const startGateway = async (deps: GatewayDeps): Promise<Gateway> => {
  const { config } = deps;
  const { host, port: wantedPort } = config.gatewayListen;
  let port = wantedPort;
  const identifyClient = createClientIdentification(deps.tokens);
  const handler = createLazyHandler(deps, {
    getHost: () => `${host}:${port}`,
    identifyClient,
    fixedKey: createPodFixedKey(deps),
    // Connections of a consumer's own socket are counted by that listener.
    identified: (incoming, consumer) => {
      if (incoming.socket.localAddress === undefined) return;
      assign(loopback.assign(incoming, consumer), consumer);
    },
  });
  const loopback = createGatewayServer(handler.listen(undefined));
  const assign = createConnectionLimiter(loopback.server);
  const listeners = [loopback];
  let databases: DatabaseSessions | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all([...listeners.map(({ close }) => close()), databases?.stop()]);
    await handler.close();
  };
  try {
    await listenOnAddress(loopback.server, { host, port, setting: SIDECAR_ENV.gatewayListen });
    ({ port } = loopback.server.address() as AddressInfo);
    for (const consumer of listConsumers(listSignTasks(config))) {
      const listener = createGatewayServer(handler.listen(consumer));
      listeners.push(listener);
      const path = join(config.consumersFolder, consumer, GATEWAY_SOCKET_FILE_NAME);
      await listenOnSocket(listener.server, { path, setting: SIDECAR_ENV.consumersFolder });
    }
    databases = await startDatabases({ ...deps, identifyClient });
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  for (const { server } of listeners) server.once('connection', handler.load);
  return {
    port,
    databasePorts: databases?.ports ?? new Map(),
    readState: () => addSessions(handler.readState(), databases?.countSessions()),
    waitIdle: async () => {
      await Promise.all([handler.waitIdle(), databases?.waitIdle()]);
    },
    stop,
  };
};

/** Loaded only for pods with tasks of provider `postgres`. */
const startDatabases = async (deps: DatabaseSessionDeps): Promise<DatabaseSessions | undefined> => {
  if (!deps.config.admitted.tasks.some(({ provider }) => provider === 'postgres')) return undefined;
  const { startDatabaseSessions } = await import('./database-sessions.ts');
  return startDatabaseSessions(deps);
};

const NO_CALLS = { callsInFlight: 0, bufferedBytes: 0, upstreamConnections: 0, journalBlocked: 0 };

/** A session is a call with a connection of its own. */
const addSessions = (
  state: GatewayState | undefined,
  sessions: number | undefined,
): GatewayState | undefined => {
  if (sessions === undefined) return state;
  const calls = state ?? NO_CALLS;
  return {
    ...calls,
    callsInFlight: calls.callsInFlight + sessions,
    upstreamConnections: calls.upstreamConnections + sessions,
  };
};

const createLazyHandler = (deps: GatewayDeps, listener: GatewayListener) => {
  let loading: Promise<GatewayHandler> | undefined;
  let loaded: GatewayHandler | undefined;
  const importHandler = async (): Promise<GatewayHandler> => {
    const { createGatewayHandler } = await import('./gateway-handler.ts');
    return (loaded = createGatewayHandler({ ...deps, admitted: deps.config.admitted }, listener));
  };
  const load = (): Promise<GatewayHandler> => (loading ??= importHandler());
  const fail = (thrown: unknown): void =>
    deps.log.error('gateway failed', {
      error: thrown instanceof Error ? thrown.name : typeof thrown,
    });
  return {
    load: () => void load().catch(fail),
    listen:
      (consumer: string | undefined): RequestListener =>
      (incoming, outgoing) => {
        const handled =
          loaded === undefined
            ? load().then(({ handle }) => handle(incoming, outgoing, consumer))
            : loaded.handle(incoming, outgoing, consumer);
        handled.catch((thrown: unknown) => {
          fail(thrown);
          outgoing.destroy();
        });
      },
    readState: () => loaded?.readState(),
    waitIdle: async () => loaded?.waitIdle(),
    close: async () => loaded?.close(),
  };
};
