import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createRunRole,
  dropRunRole,
  endRunSessions,
  getRunOfRole,
  getRunRole,
  LIST_EXPIRED_ROLES,
  listRunDatabases,
  quoteLiteral,
  releaseRunObjects,
} from '../../lib/postgres/run-roles.ts';
import { buildScramVerifier } from '../../lib/postgres/scram.ts';
import { checkTemplateRole, readTemplateRole } from '../../lib/postgres/template-role.ts';
import type { PostgresSession } from '../postgres-client.ts';
import { startPostgres, type PostgresServer } from '../postgres-server.ts';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const newRun = (): string => Array.from(randomBytes(32), (byte) => BASE32[byte % 32]).join('');
const newPassword = (): string => randomBytes(32).toString('base64url');

let server: PostgresServer;
let root: PostgresSession;
let admin: PostgresSession;
const adminPassword = newPassword();

const runAll = async (session: PostgresSession, statements: readonly string[]) => {
  for (const sql of statements) await session.query(sql);
};

beforeAll(async () => {
  server = await startPostgres();
  root = await server.connect({ user: 'postgres', password: server.password });
  const verifier = buildScramVerifier(adminPassword, randomBytes(16));
  await runAll(root, [
    'CREATE ROLE app NOLOGIN',
    'CREATE ROLE bare NOLOGIN NOINHERIT',
    'CREATE ROLE boss SUPERUSER',
    'CREATE ROLE climber NOLOGIN IN ROLE boss',
    'CREATE ROLE shell NOLOGIN IN ROLE pg_execute_server_program',
    `CREATE ROLE valetkey LOGIN CREATEROLE PASSWORD '${verifier}'`,
    'GRANT app TO valetkey WITH ADMIN OPTION',
    'CREATE DATABASE sales',
    'CREATE DATABASE other',
    'GRANT CREATE ON DATABASE sales, other TO app',
  ]);
  const sales = await server.connect({
    user: 'postgres',
    password: server.password,
    database: 'sales',
  });
  await runAll(sales, ['GRANT CREATE, USAGE ON SCHEMA public TO app']);
  sales.close();
  admin = await server.connect({ user: 'valetkey', password: adminPassword });
}, 60_000);

afterAll(async () => {
  root.close();
  admin.close();
  await server.stop();
});

const startRun = async (validUntil = Date.now() + 600_000) => {
  const [run, password] = [newRun(), newPassword()];
  const verifier = buildScramVerifier(password, randomBytes(16));
  await admin.query(createRunRole({ run, template: 'app', validUntil, verifier }));
  const login = { user: getRunRole(run), password, database: 'sales' };
  return { run, login };
};

const endRun = async (run: string) => {
  await runAll(admin, endRunSessions(run));
  for (const [database] of await admin.query(listRunDatabases(run))) {
    const there = await server.connect({
      user: 'valetkey',
      password: adminPassword,
      database: database ?? '',
    });
    await runAll(there, releaseRunObjects({ run, template: 'app' }));
    there.close();
  }
  await runAll(admin, dropRunRole(run));
};

const listRoles = async (run: string) =>
  admin.query(`SELECT rolname FROM pg_roles WHERE rolname = ${quoteLiteral(getRunRole(run))}`);

describe('roles of runs at PostgreSQL, created by a role that is no superuser', () => {
  it('end with their sessions, and what they own belongs to the template', async () => {
    const { run, login } = await startRun();
    const session = await server.connect(login);
    await runAll(session, [
      'CREATE TABLE reports (id int)',
      'CREATE SCHEMA mine',
      'CREATE FUNCTION mine.one() RETURNS int LANGUAGE sql AS $$SELECT 1$$',
      'SELECT lo_create(0)',
      'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC',
    ]);
    const second = await server.connect({ ...login, database: 'other' });
    await second.query('CREATE SCHEMA mine');
    const busy = session.query('SELECT pg_sleep(600)');
    const ended = expect(busy).rejects.toThrow('57P01');
    await endRun(run);
    await ended;
    await Promise.all([session.closed, second.closed]);
    await expect(server.connect(login)).rejects.toThrow('28P01');
    expect(await listRoles(run)).toEqual([]);
    const sales = await server.connect({ ...login, user: 'postgres', password: server.password });
    expect(
      await sales.query(
        "SELECT tableowner FROM pg_tables WHERE tablename = 'reports' UNION ALL " +
          "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'mine'",
      ),
    ).toEqual([['app'], ['app']]);
    sales.close();
  }, 30_000);

  it('leave no password in the log of a server that logs every statement', async () => {
    const { run, login } = await startRun();
    const session = await server.connect(login);
    await session.query('SELECT 1');
    session.close();
    await endRun(run);
    const log = server.readLog();
    expect(log).toContain(`CREATE ROLE "vk_${run}"`);
    expect(log).not.toContain(login.password);
    expect(log).not.toContain(adminPassword);
  });

  it('keep sessions after VALID UNTIL, accept no login, and are found by the sweep', async () => {
    const running = await startRun();
    const { run, login } = await startRun();
    const session = await server.connect(login);
    const role = getRunRole(run);
    await root.query(`ALTER ROLE "${role}" VALID UNTIL '2020-01-01T00:00:00Z'`);
    expect(await session.query('SELECT current_user')).toEqual([[role]]);
    await expect(server.connect(login)).rejects.toThrow('28P01');
    const expired = await admin.query(LIST_EXPIRED_ROLES);
    expect(expired).toEqual([[role, 'app']]);
    await endRun(getRunOfRole(expired[0]?.[0] ?? '') ?? '');
    await session.closed;
    expect(await admin.query(LIST_EXPIRED_ROLES)).toEqual([]);
    await endRun(running.run);
  });

  it('have the privileges of the template and none of its creator', async () => {
    const { run, login } = await startRun();
    const session = await server.connect(login);
    for (const role of ['valetkey', 'postgres', 'boss']) {
      await expect(session.query(`SET ROLE ${role}`)).rejects.toThrow('42501');
    }
    await expect(session.query('CREATE ROLE more')).rejects.toThrow('42501');
    await session.query('SET ROLE app');
    session.close();
    await endRun(run);
  });

  it('can set their own password, which ends with the role', async () => {
    const { run, login } = await startRun();
    const session = await server.connect(login);
    await session.query("SET password_encryption = 'scram-sha-256'");
    await session.query("ALTER ROLE CURRENT_USER PASSWORD 'own'");
    await expect(session.query(`ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'`)).rejects.toThrow(
      '42501',
    );
    await endRun(run);
    await expect(server.connect({ ...login, password: 'own' })).rejects.toThrow('28P01');
  });

  it('cancel a query with the key of their session', async () => {
    const { run, login } = await startRun();
    const session = await server.connect(login);
    const busy = session.query('SELECT pg_sleep(600)');
    const cancelled = expect(busy).rejects.toThrow('57014');
    const isActive = async () =>
      admin.query(
        `SELECT 1 FROM pg_stat_activity WHERE usename = '${login.user}' AND state = 'active'`,
      );
    while ((await isActive()).length === 0);
    await session.cancel();
    await cancelled;
    session.close();
    await endRun(run);
  });

  it('are quoted as texts, whatever standard_conforming_strings is', async () => {
    const session = await server.connect({ user: 'postgres', password: server.password });
    for (const setting of ['on', 'off']) {
      await session.query(`SET standard_conforming_strings = ${setting}`);
      for (const text of ["it's", '\\', "\\'", "'; SELECT 1; --", '\\\\x41']) {
        expect(await session.query(`SELECT ${quoteLiteral(text)}`)).toEqual([[text]]);
      }
    }
    session.close();
  });
});

describe('readTemplateRole', () => {
  const check = async (template: string) => {
    const [row] = await admin.query(readTemplateRole(template));
    if (row === undefined) return checkTemplateRole(template, undefined);
    const [inherits, superuser, createrole, bypassrls, replication, hasServer] = row.map(
      (value) => value === 't',
    ) as [boolean, boolean, boolean, boolean, boolean, boolean];
    const found = { inherits, superuser, createrole, bypassrls, replication, server: hasServer };
    return checkTemplateRole(template, found);
  };

  it('accepts a role with privileges only', async () => {
    expect(await check('app')).toEqual([]);
  });

  it.each([
    ['bare', 'INHERIT'],
    ['boss', 'superuser'],
    ['climber', 'superuser'],
    ['valetkey', 'CREATEROLE'],
    ['shell', 'pg_execute_server_program'],
    ['missing', 'existing role'],
  ])('refuses the role %s', async (template, expected) => {
    expect((await check(template)).join()).toContain(expected);
  });
});
