import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { createCallRuns, type CallRuns } from '../../lib/calls/call-runs.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import { GATEWAY_SOCKET_FILE_NAME, SEED_FILE_NAME } from '../../lib/contract/paths.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { Task } from '../../lib/contract/task.ts';
import { createConnectionLimiter } from '../../lib/edge/http/connection-limits.ts';
import { createGatewayServer } from '../../lib/edge/http/gateway-listener.ts';
import {
  closeListener,
  listenOnAddress,
  listenOnSocket,
} from '../../lib/edge/http/local-listener.ts';
import type { GatewayState } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { createLocalKeys, type LocalKeys } from '../../lib/runs/local-keys.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import type { SidecarConfig } from './config.ts';
import type { GatewayHandler, GatewayHandlerDeps, GatewayListener } from './gateway-handler.ts';
import { readOrCreateSeed } from './seed-file.ts';

export { createCallJournal } from '../../lib/calls/journal.ts';

export type GatewayDeps = GatewayHandlerDeps & {
  readonly config: SidecarConfig;
  readonly log: Log;
};

export type Gateway = {
  readonly port: number;
  /** @returns undefined before the first connection */
  readonly readState: () => GatewayState | undefined;
  /** Resolves when no call is in progress. */
  readonly waitIdle: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const listSignTasks = ({ admitted }: SidecarConfig): readonly Task[] =>
  admitted.tasks.filter(({ delivery }) => delivery === 'sign');

const listSignConsumers = (config: SidecarConfig): readonly string[] => [
  ...new Set(listSignTasks(config).flatMap(({ containers }) => containers)),
];

/**
 * Creates the local keys of the pod's sign tasks, from the seed in each consumer's volume.
 *
 * @returns undefined if no task has delivery `sign`
 * @throws SeedFileError
 */
export const createPodKeys = (config: SidecarConfig): LocalKeys | undefined => {
  const consumers = listSignConsumers(config);
  if (consumers.length === 0) return undefined;
  const getPath = (consumer: string) => join(config.consumersFolder, consumer, SEED_FILE_NAME);
  return createLocalKeys({
    seeds: new Map(consumers.map((name) => [name, readOrCreateSeed(getPath(name))])),
    tasks: listSignTasks(config)
      .filter(({ params }) => Object.keys(params).length === 0)
      .flatMap(({ name: task, containers }) => containers.map((consumer) => ({ consumer, task }))),
    randomBytes,
  });
};

/** Creates what connects the pod's runs with its calls. */
export const createPodCallRuns = (
  { admitted, trust }: SidecarConfig,
  { registry, schedule }: { registry: RunRegistry; schedule: Schedule },
): CallRuns =>
  createCallRuns({
    admitted,
    registry,
    schedule,
    unavailable: trust === 'authority' ? 'authority_unreachable' : 'upstream_unreachable',
  });

/**
 * Starts to listen for AWS calls, on loopback and on a socket of each consumer of a sign task. Everything
 * that handles a call is loaded at the first connection: it takes more memory than the rest of a sidecar.
 *
 * @throws ListenError that names the setting if a port or socket cannot be bound
 */
export const startGateway = async (deps: GatewayDeps): Promise<Gateway> => {
  const { config } = deps;
  const { host, port: wantedPort } = config.gatewayListen;
  let port = wantedPort;
  const handler = createLazyHandler(deps, {
    getHost: () => `${host}:${port}`,
    // Connections of a consumer's own socket are counted by that listener.
    identified: ({ socket }, consumer) => {
      if (socket.localAddress !== undefined) assign(socket, consumer);
    },
  });
  const loopback = createGatewayServer(handler.listen(undefined));
  const assign = createConnectionLimiter(loopback);
  const servers = [loopback];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map(closeListener));
    await handler.close();
  };
  try {
    await listenOnAddress(loopback, { host, port, setting: SIDECAR_ENV.gatewayListen });
    ({ port } = loopback.address() as AddressInfo);
    for (const consumer of listSignConsumers(config)) {
      const server = createGatewayServer(handler.listen(consumer));
      servers.push(server);
      const path = join(config.consumersFolder, consumer, GATEWAY_SOCKET_FILE_NAME);
      await listenOnSocket(server, { path, setting: SIDECAR_ENV.consumersFolder });
    }
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  for (const server of servers) server.once('connection', handler.load);
  return { port, readState: handler.readState, waitIdle: handler.waitIdle, stop };
};

const createLazyHandler = (deps: GatewayDeps, listener: GatewayListener) => {
  let loading: Promise<GatewayHandler> | undefined;
  let loaded: GatewayHandler | undefined;
  const importHandler = async (): Promise<GatewayHandler> => {
    const { createGatewayHandler } = await import('./gateway-handler.ts');
    return (loaded = createGatewayHandler(deps, listener));
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
        load()
          .then(({ handle }) => handle(incoming, outgoing, consumer))
          .catch((thrown: unknown) => {
            fail(thrown);
            outgoing.destroy();
          });
      },
    readState: () => loaded?.readState(),
    waitIdle: async () => loaded?.waitIdle(),
    close: async () => loaded?.close(),
  };
};
