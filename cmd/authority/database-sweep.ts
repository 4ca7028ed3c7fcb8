import type { Clock } from '../../lib/contract/clock.ts';
import type { AdminSession } from '../../lib/edge/postgres/admin-session.ts';
import { parseRunRoles, type RunRole } from '../../lib/postgres/run-role-list.ts';
import {
  dropRunRole,
  endRunSessions,
  LIST_RUN_ROLES,
  listRunDatabases,
  releaseRunObjects,
} from '../../lib/postgres/run-roles.ts';
import type { PostgresUpstream } from '../../lib/upstreams/upstream.ts';
import type { ConnectDatabase } from './database-runs.ts';
import type { RevocationWatch } from './revocation-watch.ts';

/** Roles of runs that a pass left at a server. */
export type RolesLeft = {
  readonly active: number;
  /** Past their deadline. */
  readonly overdue: number;
  /** Of this Upstream. */
  readonly own: number;
};

export type SweepDeps = {
  readonly connectDatabase: ConnectDatabase;
  readonly revocations: Pick<RevocationWatch, 'index'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly hasEnded: (run: string) => boolean;
};

export type SweepOptions = {
  /** The Upstream no longer exists, or names another server: all its roles end. */
  readonly isGone: boolean;
  readonly onLeft: (left: RolesLeft) => void;
};

/**
 * Creates one pass through the roles at the server of an Upstream. It throws the first failure, after all others
 * were tried.
 */
export const createSweep = ({ connectDatabase, revocations, clock, hasEnded }: SweepDeps) => {
  const isRevoked = ({ run, owner: { issuedAt, ...pod } }: RunRole): boolean => {
    const at = issuedAt === 0 ? clock.now() : issuedAt;
    return revocations.index().find({ ...pod, run }, at) !== undefined;
  };
  const listRoles = async (session: AdminSession): Promise<readonly RunRole[]> =>
    parseRunRoles(await session.query(LIST_RUN_ROLES));

  return async (upstream: PostgresUpstream, { isGone, onLeft }: SweepOptions): Promise<void> => {
    // Other Upstreams, also of other clusters, can name the same server.
    const isOwn = ({ owner: { upstreamUid } }: RunRole): boolean =>
      upstreamUid !== '' && upstreamUid === upstream.uid;
    const session = await connectDatabase(upstream);
    try {
      const found = await listRoles(session);
      const due = found.filter(
        (role) =>
          role.isExpired || hasEnded(role.run) || isRevoked(role) || (isGone && isOwn(role)),
      );
      const failures = new Map<string, unknown>();
      const attemptAll = async (work: (role: RunRole) => Promise<unknown>): Promise<void> => {
        for (const role of due) {
          await work(role).then(
            () => failures.delete(role.run),
            (error: unknown) => failures.set(role.run, error),
          );
        }
      };
      const endSessions = ({ run }: RunRole) => session.query(...endRunSessions(run));
      // All sessions first: none may last as long as it takes to release what other runs created and locked.
      await attemptAll(endSessions);
      await attemptAll(async (role) => {
        // Another replica may have changed the role at the same time.
        if (failures.has(role.run)) await endSessions(role);
        await removeRole(role, { upstream, session, connectDatabase });
      });
      // Another replica may have dropped what failed here.
      const left = due.length === 0 ? found : await listRoles(session);
      onLeft({
        active: left.filter(({ isExpired }) => !isExpired).length,
        overdue: left.filter(({ isExpired }) => isExpired).length,
        own: left.filter(isOwn).length,
      });
      const [failed] = left.filter(({ run }) => failures.has(run));
      if (failed !== undefined) throw failures.get(failed.run);
    } finally {
      session.close();
    }
  };
};

/** Drops a role without sessions; its template gets what the run created. */
const removeRole = async (
  { run, templates }: RunRole,
  {
    upstream,
    session,
    connectDatabase,
  }: { upstream: PostgresUpstream; session: AdminSession; connectDatabase: ConnectDatabase },
): Promise<void> => {
  const template = chooseTemplate(templates, upstream);
  for (const [database] of await session.query(listRunDatabases(run))) {
    const there = await connectDatabase(upstream, database ?? '');
    try {
      await there.query(...releaseRunObjects({ run, template }));
    } finally {
      there.close();
    }
  }
  await session.query(...dropRunRole(run));
};

/** A run can grant itself roles that its template administers: its template is one that the Upstream lists. */
const chooseTemplate = (
  memberships: readonly string[],
  { name, templates }: PostgresUpstream,
): string => {
  const listed = memberships.find((member) => templates.some(({ role }) => role === member));
  const [template = listed] = listed === undefined ? memberships : [listed];
  if (template !== undefined) return template;
  throw new Error(`upstream ${name}: expected a template role of a run`);
};
