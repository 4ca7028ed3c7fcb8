import type { Clock } from '../../lib/contract/clock.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { Caller } from '../../lib/exchange/caller.ts';
import type { PostgresUpstream } from '../../lib/upstreams/upstream.ts';
import type { ConnectDatabase } from './database-runs.ts';
import { createDatabaseServers, type DatabaseServer } from './database-servers.ts';
import { createSweep, type RolesLeft } from './database-sweep.ts';
import type { OnFailure } from './failures.ts';
import type { RevocationWatch } from './revocation-watch.ts';

/** Ends the roles of runs at the database servers of Upstreams. */
export type DatabaseRoles = {
  /** Never rejects: what fails now is repeated, and at the deadline the server refuses logins anyway. */
  readonly reportRunEnd: (ended: {
    readonly run: string;
    readonly caller: Caller;
  }) => Promise<void>;
  readonly stop: () => void;
};

export type DatabaseRolesDeps = {
  readonly listDatabases: () => readonly PostgresUpstream[];
  /** Calls the listener when Upstreams changed; returns the unsubscribe function. */
  readonly subscribeUpstreams: (listener: () => void) => () => void;
  readonly connectDatabase: ConnectDatabase;
  readonly revocations: Pick<RevocationWatch, 'index' | 'subscribe'>;
  /** The roles of the tasks of a pod; all if it no longer exists. */
  readonly readRoles: (caller: Caller) => Promise<readonly string[]>;
  readonly metrics: Pick<AuthorityMetrics, 'databaseRolesCounted' | 'reconcileFailed'>;
  readonly maxLifetimeSeconds: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
};

const NOT_DROPPED = 'roles of ended runs not dropped';
const LEFT = 'roles of a deleted upstream are left at its server';

const PASS_MS = 30_000;
const RETRY = { firstMs: 1_000, maxMs: 60_000 };
/** A burst of Revocations causes one pass. */
const WAKE_DELAY_MS = 250;
/** Ends that wait for a server. The oldest is left to its deadline. */
const MAX_ENDED = 16_384;

/** A run that was about to start when its Upstream was deleted has its role by then. */
const SETTLE_MS = 2 * PASS_MS;

/**
 * Starts a loop for each Upstream that is a database server. A pass ends the roles of runs that have ended,
 * were revoked or are past their deadline, whichever replica issued them: all that is known of a run is its
 * role. Every replica does so, and what one has dropped is no failure of another. When an Upstream is deleted
 * or names another server, its loop ends all its roles there, and then itself.
 */
export const startDatabaseRoles = (deps: DatabaseRolesDeps): DatabaseRoles => {
  const { listDatabases, subscribeUpstreams, metrics, clock, random, onFailure } = deps;
  const { monotonic } = clock;
  const ended = createEndedRuns(deps);
  const servers = createDatabaseServers({ listDatabases, monotonic });
  const loops = new Map<string, ReconcileLoop>();

  const remove = ({ key, upstream: { name } }: DatabaseServer): void => {
    loops.get(key)?.stop();
    loops.delete(key);
    servers.forget(key);
    if (!servers.hasName(name)) metrics.databaseRolesCounted(name, undefined);
  };
  const reconcile = createServerPass(deps, {
    hasEnded: ended.has,
    hasName: servers.hasName,
    remove,
  });
  const startLoop = (key: string): ReconcileLoop =>
    startReconcileLoop({
      reconcile: async () => {
        servers.refresh();
        const server = servers.get(key);
        if (server !== undefined) await reconcile(server);
        return PASS_MS;
      },
      onFailure: (error) => {
        metrics.reconcileFailed('database-roles');
        const name = servers.get(key) === undefined ? LEFT : NOT_DROPPED;
        onFailure(name, error);
      },
      retry: RETRY,
      random,
    });
  const wake = (isDue: (server: DatabaseServer) => boolean): void => {
    for (const server of servers.refresh()) {
      const { key } = server;
      const loop = loops.get(key);
      if (loop === undefined) loops.set(key, startLoop(key));
      else if (isDue(server)) loop.wake();
    }
  };

  const unsubscribes = [
    subscribeInBursts(deps.revocations, () => wake(() => true)),
    subscribeUpstreams(() => wake(({ goneSince }) => goneSince !== undefined)),
  ];
  const timer = setInterval(() => wake(() => false), PASS_MS).unref();
  return {
    reportRunEnd: async ({ run, caller }) => {
      if (listDatabases().length === 0) return;
      const roles = await deps.readRoles(caller).catch(() => undefined);
      const isOwn = ({ upstream: { name } }: DatabaseServer): boolean =>
        roles?.some((role) => role.startsWith(`${name}/`)) ?? true;
      if (!servers.refresh().some(isOwn)) return;
      ended.add(run);
      wake(isOwn);
    },
    stop: () => {
      for (const unsubscribe of unsubscribes) unsubscribe();
      clearInterval(timer);
      for (const loop of loops.values()) loop.stop();
    },
  };
};

/** Creates one pass: it ends the roles at a server whose runs have ended. */
const createServerPass = (
  deps: DatabaseRolesDeps,
  {
    hasEnded,
    hasName,
    remove,
  }: {
    readonly hasEnded: (run: string) => boolean;
    /** Whether an Upstream has this name now. */
    readonly hasName: (name: string) => boolean;
    /** Ends the loop of a server that has no role left. */
    readonly remove: (server: DatabaseServer) => void;
  },
) => {
  const { monotonic } = deps.clock;
  const sweep = createSweep({ ...deps, hasEnded });

  const count = ({ upstream: { name }, goneSince }: DatabaseServer, left: RolesLeft): void => {
    // The name may be that of a new Upstream.
    if (goneSince !== undefined && hasName(name)) return;
    const { active, overdue } = left;
    deps.metrics.databaseRolesCounted(name, { active, overdue });
  };
  const sweepServer = async (server: DatabaseServer): Promise<RolesLeft | undefined> => {
    let found: RolesLeft | undefined;
    await sweep(server.upstream, {
      isGone: server.goneSince !== undefined,
      onLeft: (left) => {
        found = left;
        count(server, left);
      },
    });
    return found;
  };
  return async (server: DatabaseServer): Promise<void> => {
    const { goneSince = Infinity } = server;
    const goneMs = monotonic() - goneSince;
    try {
      const left = await sweepServer(server);
      if (goneMs >= SETTLE_MS && left?.own === 0) remove(server);
    } catch (error) {
      // Its server or its Secret may be gone as well. No role can log in any more, and no session is left.
      if (goneMs >= Math.max(deps.maxLifetimeSeconds * 1000, SETTLE_MS)) remove(server);
      throw error;
    }
  };
};

/** Calls the listener once for a burst of changes. @returns unsubscribes */
const subscribeInBursts = (
  { subscribe }: Pick<RevocationWatch, 'subscribe'>,
  listener: () => void,
): (() => void) => {
  let pending: NodeJS.Timeout | undefined;
  const unsubscribe = subscribe(() => {
    pending ??= setTimeout(() => {
      pending = undefined;
      listener();
    }, WAKE_DELAY_MS).unref();
  });
  return () => {
    unsubscribe();
    clearTimeout(pending);
  };
};

/** Runs whose sidecars reported their end, until none of them can have a role. */
const createEndedRuns = ({
  clock,
  maxLifetimeSeconds,
}: Pick<DatabaseRolesDeps, 'clock' | 'maxLifetimeSeconds'>) => {
  const ended = new Map<string, number>();
  return {
    add: (run: string): void => {
      ended.set(run, clock.monotonic() + maxLifetimeSeconds * 1000);
      for (const [oldest, until] of ended) {
        if (until > clock.monotonic() && ended.size <= MAX_ENDED) break;
        ended.delete(oldest);
      }
    },
    has: (run: string): boolean => ended.has(run),
  };
};
