import { randomUUID } from 'node:crypto';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';

import { createRefusalNotes } from '../../lib/calls/noted-refusals.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { IdentifyClient } from '../../lib/edge/gateway/http-identity.ts';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';
import { createConnectionLimiter } from '../../lib/edge/http/connection-limits.ts';
import { listenOnAddress, listenOnSocket } from '../../lib/edge/http/local-listener.ts';
import { createCheckedLookup } from '../../lib/edge/http/upstream-connector.ts';
import {
  createSessionHandler,
  type SessionDeps,
  type SessionHandler,
} from '../../lib/edge/postgres/session-handler.ts';
import { createSessionServer, trackConnections } from '../../lib/edge/postgres/session-listener.ts';
import {
  formatSocketName,
  listDatabaseTasks,
  type DatabaseTask,
} from '../../lib/task/database-ports.ts';
import type { SidecarConfig } from './config.ts';
import type { GatewayHandlerDeps } from './gateway-handler.ts';

export type DatabaseSessionDeps = Pick<
  GatewayHandlerDeps,
  'runs' | 'journal' | 'metrics' | 'decideCall' | 'refusals' | 'clock' | 'isCloudAddress'
> & {
  readonly config: SidecarConfig;
  readonly identifyClient: IdentifyClient;
  readonly log: Log;
};

export type DatabaseSessions = Pick<SessionHandler, 'countSessions' | 'waitIdle'> & {
  /** Task → its port on loopback. */
  readonly ports: ReadonlyMap<string, number>;
  readonly stop: () => Promise<void>;
};

/** Where the gateway has any free port, so have these. */
const addPort = (gatewayPort: number, offset: number): number =>
  gatewayPort === 0 ? 0 : gatewayPort + offset;

/**
 * Starts to listen for the clients of the pod's PostgreSQL tasks: for each task, on a socket of each of its
 * consumers, and on loopback.
 *
 * @throws ListenError that names the setting if a port or socket cannot be bound
 */
export const startDatabaseSessions = async (
  deps: DatabaseSessionDeps,
): Promise<DatabaseSessions> => {
  const { config } = deps;
  const handler = createSessionHandler(createSessionDeps(deps));
  const closers: (() => Promise<void>)[] = [];
  const ports = new Map<string, number>();
  const stop = async (): Promise<void> => {
    await Promise.all(closers.map((close) => close()));
  };
  const create = (onClient: (socket: Socket) => void): Server => {
    const server = createSessionServer(onClient);
    closers.push(trackConnections(server));
    return server;
  };
  const listenOnLoopback = async ({ task, loopbackOffset }: DatabaseTask): Promise<void> => {
    const server = create((socket) => {
      const identified = (consumer: string): void => assign(socket, consumer);
      void handler.handle(socket, { task, identified });
    });
    const assign = createConnectionLimiter(server);
    const { host, port } = config.gatewayListen;
    await listenOnAddress(server, {
      host,
      port: addPort(port, loopbackOffset),
      setting: SIDECAR_ENV.gatewayListen,
    });
    ports.set(task.name, (server.address() as AddressInfo).port);
  };
  const listenForConsumer = async (
    { task, socketPort }: DatabaseTask,
    consumer: string,
  ): Promise<void> => {
    const server = create((socket) => void handler.handle(socket, { task, consumer }));
    const path = join(config.consumersFolder, consumer, formatSocketName(socketPort));
    await listenOnSocket(server, { path, setting: SIDECAR_ENV.consumersFolder });
  };
  try {
    // One after the other, so that the first fault is the one that is reported.
    for (const each of listDatabaseTasks(config.admitted.tasks)) {
      await listenOnLoopback(each);
      for (const consumer of each.task.containers) await listenForConsumer(each, consumer);
    }
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return { ...handler, ports, stop };
};

const createSessionDeps = ({
  runs,
  journal,
  metrics,
  decideCall,
  refusals,
  clock,
  identifyClient,
  log,
  isCloudAddress: isTestAddress,
}: DatabaseSessionDeps): SessionDeps => {
  const isAllowedAddress = isTestAddress ?? isCloudAddress;
  return {
    isAllowedAddress,
    lookup: createCheckedLookup({ isAllowedAddress }),
    resolveRun: runs.resolve,
    identifyToken: (token) => identifyClient(new Map([['x-api-key', token]])),
    isJournalBlocked: journal.isBlocked,
    decideCall,
    noteRefusal: createRefusalNotes(refusals),
    createId: randomUUID,
    clock,
    record: journal.record,
    ended: metrics.callEnded,
    failed: (thrown) =>
      log.error('database session failed', {
        error: thrown instanceof Error ? thrown.name : typeof thrown,
      }),
  };
};
