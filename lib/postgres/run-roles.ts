/** SQL of the roles of runs. Every name is qualified: a session can create others of the same name. */

const PREFIX = 'vk_';
/** `vk_` and a run ID. */
const RUN_ROLE = /^vk_[a-z2-7]{32}$/;
const VERIFIER = /^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/;
/** Longer names are cut off by the server, so that they are another role's. */
const MAX_NAME_BYTES = 63;

/** Name of a run's role. @throws Error if it is no run ID */
export const getRunRole = (run: string): string => {
  const role = `${PREFIX}${run}`;
  if (!RUN_ROLE.test(role)) throw new Error('run role: expected a run ID');
  return role;
};

/** Quotes an identifier. @throws Error for a name that PostgreSQL does not keep as it is */
export const quoteIdentifier = (name: string): string => {
  if (name === '' || name.includes('\0') || !name.isWellFormed()) {
    throw new Error('SQL: expected an identifier without NUL');
  }
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new Error(`SQL: expected an identifier of at most ${MAX_NAME_BYTES} bytes`);
  }
  return `"${name.replaceAll('"', '""')}"`;
};

/**
 * Quotes a text, whatever `standard_conforming_strings` is: with a backslash it is written as `E''`.
 *
 * @throws Error for NUL
 */
export const quoteLiteral = (text: string): string => {
  if (text.includes('\0') || !text.isWellFormed()) {
    throw new Error('SQL: expected a text without NUL');
  }
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return quoted.includes('\\') ? ` E${quoted}` : quoted;
};

export type RunRoleOptions = {
  readonly run: string;
  /** Template role of the task. */
  readonly template: string;
  /** Deadline of the run, milliseconds since the epoch. */
  readonly validUntil: number;
  /** Of `buildScramVerifier`: the password itself would be in the server's log. */
  readonly verifier: string;
};

/**
 * SQL that creates the role of a run. The creator becomes its member: otherwise it could neither end its
 * sessions nor reassign what it owns.
 */
export const createRunRole = ({ run, template, validUntil, verifier }: RunRoleOptions): string => {
  if (!VERIFIER.test(verifier)) throw new Error('run role: expected a SCRAM-SHA-256 verifier');
  return [
    `CREATE ROLE ${quoteIdentifier(getRunRole(run))} LOGIN INHERIT`,
    'NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS',
    `IN ROLE ${quoteIdentifier(template)} ROLE CURRENT_USER`,
    `VALID UNTIL ${quoteLiteral(new Date(validUntil).toISOString())}`,
    `PASSWORD ${quoteLiteral(verifier)}`,
  ].join(' ');
};

const terminateSessions = (run: string): string =>
  'SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity ' +
  `WHERE usename OPERATOR(pg_catalog.=) ${quoteLiteral(getRunRole(run))}`;

/**
 * SQL after which the role has no sessions and gets none. `VALID UNTIL` leaves sessions running. They are ended
 * before as well: a transaction that changes its own password locks the role against `NOLOGIN`.
 */
export const endRunSessions = (run: string): readonly string[] => [
  terminateSessions(run),
  `ALTER ROLE ${quoteIdentifier(getRunRole(run))} NOLOGIN`,
  terminateSessions(run),
];

/** SQL that lists the databases with objects or privileges of the role: `datname`. */
export const listRunDatabases = (run: string): string =>
  [
    'SELECT DISTINCT d.datname FROM pg_catalog.pg_shdepend s',
    'JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) s.dbid',
    'JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) s.refobjid',
    "WHERE s.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_authid'::pg_catalog.regclass",
    `AND r.rolname OPERATOR(pg_catalog.=) ${quoteLiteral(getRunRole(run))}`,
    'AND d.datallowconn',
  ].join(' ');

/** SQL for each database of {@link listRunDatabases}: what a run created belongs to the template then. */
export const releaseRunObjects = ({
  run,
  template,
}: Pick<RunRoleOptions, 'run' | 'template'>): readonly string[] => {
  const role = quoteIdentifier(getRunRole(run));
  return [`REASSIGN OWNED BY ${role} TO ${quoteIdentifier(template)}`, `DROP OWNED BY ${role}`];
};

/**
 * SQL that drops the role. A session whose login had begun before `NOLOGIN` is ended first: it would outlast
 * its role, which then no query finds.
 */
export const dropRunRole = (run: string): readonly string[] => [
  terminateSessions(run),
  `DROP ROLE IF EXISTS ${quoteIdentifier(getRunRole(run))}`,
];

/** Whose run a role is. It is the role's comment, so that every replica can match Revocations. */
export const commentRunRole = (run: string, comment: string): string =>
  `COMMENT ON ROLE ${quoteIdentifier(getRunRole(run))} IS ${quoteLiteral(comment)}`;

/**
 * SQL that lists the roles of runs: `role`; a `template` that it is a member of, and NULL if none is left;
 * `expired`, whether its deadline is over, such as that of a lost node; `comment`. A role is in as many rows
 * as it has memberships.
 */
export const LIST_RUN_ROLES = [
  'SELECT r.rolname AS role, t.rolname AS template,',
  'r.rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() AS expired,',
  "pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment FROM pg_catalog.pg_roles r",
  'LEFT JOIN pg_catalog.pg_auth_members m ON m.member OPERATOR(pg_catalog.=) r.oid',
  'LEFT JOIN pg_catalog.pg_roles t ON t.oid OPERATOR(pg_catalog.=) m.roleid',
  "WHERE r.rolname OPERATOR(pg_catalog.~) '^vk_[a-z2-7]{32}$'",
].join(' ');

/** Run ID of a role of {@link LIST_RUN_ROLES}; undefined for a role of another name. */
export const getRunOfRole = (role: string): string | undefined =>
  RUN_ROLE.test(role) ? role.slice(PREFIX.length) : undefined;
