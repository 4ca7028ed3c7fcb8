import { randomBytes } from 'node:crypto';

import { createShares, type TakeShare } from '../../lib/async/shares.ts';
import type { Task } from '../../lib/contract/task.ts';
import type { ReadSourceSecret } from '../../lib/edge/kubernetes/source-secrets.ts';
import type { AdminSession, ConnectAdmin } from '../../lib/edge/postgres/admin-session.ts';
import { DatabaseError } from '../../lib/edge/postgres/database-error.ts';
import {
  computeDeadline,
  type AuthorizedRun,
  type IssueCredentials,
} from '../../lib/exchange/authorized-run.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { formatRunComment } from '../../lib/postgres/run-comment.ts';
import { commentRunRole, createRunRole, getRunRole } from '../../lib/postgres/run-roles.ts';
import { buildScramVerifier } from '../../lib/postgres/scram.ts';
import {
  checkTemplateRole,
  parseTemplateRole,
  readTemplateRole,
} from '../../lib/postgres/template-role.ts';
import { buildSessionName } from '../../lib/scope/aws/session-name.ts';
import { SecretError } from '../../lib/upstreams/secret-fetcher.ts';
import { requireUpstreamKind, type PostgresUpstream } from '../../lib/upstreams/upstream.ts';
import { nameUpstream, refuseToRead } from './secret-sources.ts';

/** Connects as the admin role of an Upstream. @throws DatabaseError, SecretError */
export type ConnectDatabase = (
  upstream: PostgresUpstream,
  database?: string,
) => Promise<AdminSession>;

/** Every server has it, and roles belong to no database. */
const MAINTENANCE_DATABASE = 'postgres';

/** The password is ASCII, so that SASLprep (RFC 4013) changes nothing: the reader of Secrets checks it. */
const parseLogin = (upstream: string, text: string): { user: string; password: string } => {
  const at = text.indexOf(':');
  if (at > 0 && at < text.length - 1) {
    return { user: text.slice(0, at), password: text.slice(at + 1) };
  }
  throw new SecretError('secret_invalid', `upstream ${upstream}: expected user:password as secret`);
};

/** Creates the function that connects as admin roles. The Secret is read each time. */
export const createDatabaseSessions =
  ({
    readSourceSecret = refuseToRead,
    connectAdmin,
  }: {
    /** Absent: no namespace of Secrets is configured. */
    readonly readSourceSecret: ReadSourceSecret | undefined;
    readonly connectAdmin: ConnectAdmin;
  }): ConnectDatabase =>
  async (upstream, database = MAINTENANCE_DATABASE) => {
    const { name, host, port, caBundle, admin } = upstream;
    const use = { origin: `postgres://${host}:${port}`, form: 'token' } as const;
    const { text } = await readSourceSecret(admin, use).catch((thrown: unknown) => {
      throw nameUpstream(upstream, thrown);
    });
    return connectAdmin({ host, port, caBundle }, { ...parseLogin(name, text), database });
  };

export type DatabaseIssueDeps = {
  readonly connectDatabase: ConnectDatabase;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

const PASSWORD_BYTES = 32;
const SALT_BYTES = 16;
/** Of each Upstream and replica, and of each namespace in it: a server that does not answer must not collect requests. */
const MAX_CONCURRENT = { perPool: 8, perOwner: 4 };

/**
 * Creates the function that creates the role of one run. The server gets a verifier: no statement, and so no
 * log of it, holds the password.
 *
 * @returns throws RequestError
 */
export const createDatabaseIssue = ({
  connectDatabase,
  now,
}: DatabaseIssueDeps): IssueCredentials => {
  const limit = createConcurrencyLimit();

  const createRole = async (
    { run, task, workload }: AuthorizedRun,
    { upstream, deadline }: { upstream: PostgresUpstream; deadline: number },
  ): Promise<string> => {
    const template = getTemplate(task);
    const password = randomBytes(PASSWORD_BYTES).toString('base64url');
    const verifier = buildScramVerifier(password, randomBytes(SALT_BYTES));
    const { namespace, serviceAccount, pod } = workload;
    const owner = { namespace, serviceAccount, pod: pod.name, podUid: pod.uid, task: task.name };
    const { uid: upstreamUid = '' } = upstream;
    const comment = formatRunComment({ ...owner, upstreamUid, issuedAt: now() });
    const session = await connectDatabase(upstream);
    try {
      const [row] = await session.query(readTemplateRole(template));
      const faults = checkTemplateRole(template, parseTemplateRole(row));
      if (faults.length > 0) throw new RequestError('template_role_refused', faults.join('\n'));
      // One message is one transaction.
      const create = createRunRole({ run, template, validUntil: deadline, verifier });
      await session.query(`${create}; ${commentRunRole(run, comment)}`);
    } finally {
      session.close();
    }
    return password;
  };

  return async (authorized) => {
    const { run, workload } = authorized;
    const upstream = requireUpstreamKind(authorized.upstream, 'postgres');
    const { name, host, port, caBundle } = upstream;
    const deadline = computeDeadline(authorized, now());
    const password = await limit({ pool: name, owner: workload.namespace }, () =>
      createRole(authorized, { upstream, deadline }),
    ).catch((thrown: unknown) => toRequestError(name, thrown));
    return {
      run,
      secret: {
        kind: 'postgres',
        upstream: name,
        host,
        port,
        user: getRunRole(run),
        password,
        ...(caBundle !== undefined && { caBundle }),
      },
      deadline,
      skewMs: 0,
      sessionName: buildSessionName({ podName: workload.pod.name, run }),
    };
  };
};

const getTemplate = ({ role }: Task): string => role.slice(role.indexOf('/') + 1);

const createConcurrencyLimit = () => {
  const take = createShares(MAX_CONCURRENT);
  return async <T>(
    { pool, owner }: Parameters<TakeShare>[0],
    work: () => Promise<T>,
  ): Promise<T> => {
    const giveBack = take({ pool, owner });
    if (giveBack !== undefined) return work().finally(giveBack);
    const message = `upstream ${pool}: expected fewer runs that start at the same time`;
    throw new RequestError('database_unavailable', message);
  };
};

/** The server's message may name roles and databases; it quotes no statement. */
const toRequestError = (upstream: string, thrown: unknown): never => {
  if (thrown instanceof SecretError) {
    throw new RequestError(thrown.code, thrown.message, { cause: thrown });
  }
  if (!(thrown instanceof DatabaseError)) throw thrown;
  const { sqlState, message, kind } = thrown;
  const state = sqlState === undefined ? kind : `${kind}, SQLSTATE ${sqlState}`;
  throw new RequestError('database_unavailable', `upstream ${upstream}: ${message} (${state})`, {
    cause: thrown,
  });
};
