import type { Row } from './query-messages.ts';
import { quoteLiteral } from './run-roles.ts';

/** Predefined roles that reach the server's files or programs. */
const SERVER_ROLES = ['pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'];

const buildMembershipTest = (condition: string): string =>
  `EXISTS (SELECT FROM pg_catalog.pg_roles g WHERE ${condition} ` +
  "AND pg_catalog.pg_has_role(t.oid, g.oid, 'MEMBER'))";

/**
 * SQL that reads what a template role can do: one row with the columns of {@link TemplateRole}, or none. A
 * member can become each role above it with `SET ROLE`, so those count too.
 */
export const readTemplateRole = (template: string): string => {
  const roles = SERVER_ROLES.map(quoteLiteral).join(', ');
  return [
    'SELECT t.rolinherit AS inherits,',
    `${buildMembershipTest('g.rolsuper')} AS superuser,`,
    `${buildMembershipTest('g.rolcreaterole')} AS createrole,`,
    `${buildMembershipTest('g.rolbypassrls')} AS bypassrls,`,
    `${buildMembershipTest('g.rolreplication')} AS replication,`,
    `${buildMembershipTest(`g.rolname IN (${roles})`)} AS server`,
    `FROM pg_catalog.pg_roles t WHERE t.rolname OPERATOR(pg_catalog.=) ${quoteLiteral(template)}`,
  ].join(' ');
};

export type TemplateRole = {
  readonly inherits: boolean;
  readonly superuser: boolean;
  readonly createrole: boolean;
  readonly bypassrls: boolean;
  readonly replication: boolean;
  /** Programs or files of the server. */
  readonly server: boolean;
};

/** Reads the row of {@link readTemplateRole}. */
export const parseTemplateRole = (row: Row | undefined): TemplateRole | undefined => {
  if (row === undefined) return undefined;
  const [inherits, superuser, createrole, bypassrls, replication, server] = row.map(
    (value) => value === 't',
  );
  // What is not read is a fault.
  return {
    inherits: inherits === true,
    superuser: superuser !== false,
    createrole: createrole !== false,
    bypassrls: bypassrls !== false,
    replication: replication !== false,
    server: server !== false,
  };
};

/**
 * Checks a template role.
 *
 * @param found undefined: there is none
 * @returns all faults; none: runs may become its members
 */
export const checkTemplateRole = (
  template: string,
  found: TemplateRole | undefined,
): readonly string[] => {
  if (found === undefined) return [`template role ${template}: expected an existing role`];
  const rows: readonly (readonly [boolean, string])[] = [
    [!found.inherits, 'INHERIT, got NOINHERIT: runs would have none of its privileges'],
    [found.superuser, 'no superuser, neither itself nor above it'],
    [found.createrole, 'no CREATEROLE, neither itself nor above it'],
    [found.bypassrls, 'no BYPASSRLS, neither itself nor above it'],
    [found.replication, 'no REPLICATION, neither itself nor above it'],
    [found.server, `no membership in ${SERVER_ROLES.join(', ')}`],
  ];
  return rows
    .filter(([isFault]) => isFault)
    .map(([, expected]) => `template role ${template}: expected ${expected}`);
};
