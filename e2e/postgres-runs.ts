import { randomBytes } from 'node:crypto';
import type { PostgresSecret } from '../lib/contract/upstream.ts';
import { createRunRole, getRunRole } from '../lib/postgres/run-roles.ts';
import { buildScramVerifier } from '../lib/postgres/scram.ts';
import type { PostgresSession } from './postgres-client.ts';
import type { PostgresServer } from './postgres-server.ts';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
export const newRun = (): string =>
  Array.from(randomBytes(32), (byte) => BASE32[byte % 32]).join('');
export const newPassword = (): string => randomBytes(32).toString('base64url');

export const runAll = async (session: PostgresSession, statements: readonly string[]) => {
  for (const sql of statements) await session.query(sql);
};

/** An admin role that is no superuser, template roles, and databases `sales` and `other`. */
export const prepareDatabases = async (
  { connect, password }: PostgresServer,
  adminPassword: string,
): Promise<void> => {
  const root = await connect({ user: 'postgres', password });
  await runAll(root, [
    'CREATE ROLE app NOLOGIN',
    'CREATE ROLE bare NOLOGIN NOINHERIT',
    'CREATE ROLE boss SUPERUSER',
    'CREATE ROLE climber NOLOGIN IN ROLE boss',
    'CREATE ROLE shell NOLOGIN IN ROLE pg_execute_server_program',
    `CREATE ROLE valetkey LOGIN CREATEROLE PASSWORD '${buildScramVerifier(adminPassword, randomBytes(16))}'`,
    'GRANT app TO valetkey WITH ADMIN OPTION',
    'CREATE DATABASE sales',
    'CREATE DATABASE other',
    'GRANT CREATE ON DATABASE sales, other TO app',
  ]);
  const sales = await connect({ user: 'postgres', password, database: 'sales' });
  await runAll(sales, ['GRANT CREATE, USAGE ON SCHEMA public TO app']);
  sales.close();
  root.close();
};

/** Creates the role of a run of template `app`, and the login that the authority would issue. */
export const startRun = async (
  admin: PostgresSession,
  { port, caBundle }: Pick<PostgresServer, 'port' | 'caBundle'>,
  validUntil = Date.now() + 600_000,
): Promise<{ run: string; secret: PostgresSecret }> => {
  const [run, password] = [newRun(), newPassword()];
  const verifier = buildScramVerifier(password, randomBytes(16));
  await admin.query(createRunRole({ run, template: 'app', validUntil, verifier }));
  const secret = { kind: 'postgres', upstream: 'reports', host: 'localhost', port } as const;
  return { run, secret: { ...secret, user: getRunRole(run), password, caBundle } };
};
