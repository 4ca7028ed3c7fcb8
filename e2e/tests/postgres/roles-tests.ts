import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  commentRunRole,
  dropRunRole,
  endRunSessions,
  getRunRole,
  LIST_RUN_ROLES,
  listRunDatabases,
  quoteLiteral,
  releaseRunObjects,
} from '../../../lib/postgres/run-roles.ts';
import { checkTemplateRole, readTemplateRole } from '../../../lib/postgres/template-role.ts';
import {
  newPassword,
  prepareDatabases,
  runAll,
  startRun as createRun,
} from '../../postgres-runs.ts';
import type { PostgresSession } from '../../postgres-client.ts';
import type { PostgresServer } from '../../postgres-server.ts';

/** Tests the SQL of the roles of runs. */
export const testRoles = (start: () => Promise<PostgresServer>): void => {
  let server: PostgresServer;
  let root: PostgresSession;
  let admin: PostgresSession;
  const adminPassword = newPassword();

  beforeAll(async () => {
    server = await start();
    await prepareDatabases(server, adminPassword);
    root = await server.connect({ user: 'postgres', password: server.password });
    admin = await server.connect({ user: 'valetkey', password: adminPassword });
  }, 60_000);

  afterAll(async () => {
    root.close();
    admin.close();
    await server.stop();
  });

  const startRun = async () => {
    const { run, secret } = await createRun(admin, server);
    const { user, password } = secret;
    return { run, login: { user, password, database: 'sales' } };
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
      await admin.query(commentRunRole(run, '{"task":"it\'s"}'));
      const listed = await admin.query(LIST_RUN_ROLES);
      expect(new Set(listed)).toEqual(
        new Set([
          [role, 'app', 't', '{"task":"it\'s"}'],
          [getRunRole(running.run), 'app', 'f', null],
        ]),
      );
      await expect(session.query(commentRunRole(run, 'mine'))).rejects.toThrow('42501');
      await endRun(run);
      await session.closed;
      await endRun(running.run);
      expect(await admin.query(LIST_RUN_ROLES)).toEqual([]);
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
};
