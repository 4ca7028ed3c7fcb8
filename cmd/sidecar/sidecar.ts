import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import type { CallJournal } from '../../lib/calls/journal.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import { LOOPBACK_TOKEN_FILE_NAME, SOCKET_FILE_NAME } from '../../lib/contract/paths.ts';
import { createRefusalMemory } from '../../lib/runs/refusal-memory.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
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
import { createMetricsServer } from '../../lib/edge/telemetry/metrics-server.ts';
import type { SidecarConfig } from './config.ts';
import type { CredentialSource } from './credential-source.ts';
import type { Gateway } from './gateway.ts';
import { createPodRuns, type PodRunDeps } from './pod-runs.ts';
import { createRoutes } from './routes.ts';
import { isReadable } from './token-file.ts';

/** Of the 1.5 s until the exit: for the lines of calls that the ends of their runs cut. */
const CUT_MS = 200;
/** Of the 1.5 s until the exit. A run whose end is not reported by then expires at its deadline. */
const REPORT_MS = 1_000;

export type SidecarDeps = PodRunDeps & {
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
  const refusals = createRefusalMemory({ canPropose: config.trust === 'authority' });
  const { registry, metrics, source, signing } = await createPodRuns(deps, {
    refusals,
    readGateway: () => gateway?.readState(),
  });
  const tokens = new Map(config.admitted.consumers.map((c) => [c, newLoopbackToken()]));
  const { admitted, trust } = config;
  const { countRequest } = metrics;
  const routes = createRoutes({
    admitted,
    trust,
    registry,
    schedule,
    log,
    countRequest,
    refusals,
    propose: source.authority?.propose,
    delegate: source.authority?.delegate,
    getGatewayOrigin: () => `http://${config.gatewayListen.host}:${gateway?.port ?? 0}`,
  });
  const loopback = await listenOnLoopback(config, tokens, routes.loopback);
  closers.push(() => closeListener(loopback));
  await listenOnSockets(config, { createListener: routes.socket, closers });
  const gateway = await signing?.startGateway({
    ...deps,
    ...signing,
    tokens,
    metrics,
    refusals,
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
