import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  startDatabaseRoles,
  type DatabaseRolesDeps,
} from '../../../cmd/authority/database-roles.ts';
import {
  createDatabaseIssue,
  createDatabaseSessions,
  type ConnectDatabase,
} from '../../../cmd/authority/database-runs.ts';
import type { Revocation, RevocationSpec } from '../../../lib/contract/authority-api.ts';
import type { PostgresSecret } from '../../../lib/contract/upstream.ts';
import { createAdminSessions } from '../../../lib/edge/postgres/admin-session.ts';
import type { AuthorizedRun } from '../../../lib/exchange/authorized-run.ts';
import type { Caller } from '../../../lib/exchange/caller.ts';
import { indexRevocations } from '../../../lib/revocation/matching.ts';
import { buildTask } from '../../../lib/runs/fixtures/fake-exchange.ts';
import type { PostgresUpstream } from '../../../lib/upstreams/upstream.ts';
import type { PostgresSession } from '../../postgres-client.ts';
import { newPassword, newRun, prepareDatabases, runAll } from '../../postgres-runs.ts';
import type { PostgresServer } from '../../postgres-server.ts';

/** Tests what the authority does at a database server. */
export const testAuthority = (start: () => Promise<PostgresServer>): void => {
  let server: PostgresServer;
  let root: PostgresSession;
  let upstream: PostgresUpstream;
  let connectDatabase: ConnectDatabase;
  const adminPassword = newPassword();
  const origins: string[] = [];

  beforeAll(async () => {
    server = await start();
    await prepareDatabases(server, adminPassword);
    root = await server.connect({ user: 'postgres', password: server.password });
    const { port, caBundle } = server;
    upstream = {
      ...{ kind: 'postgres', name: 'reports', uid: 'uid-reports' },
      ...{ host: 'localhost', port, caBundle },
      admin: { name: 'reports-admin', key: 'login' },
      templates: ['app', 'bare', 'boss', 'climber', 'shell', 'missing'].map((role) => ({
        role,
        level: 'Write',
      })),
    };
    connectDatabase = createDatabaseSessions({
      readSourceSecret: (_, { origin }) => {
        origins.push(origin);
        return Promise.resolve({ text: `valetkey:${adminPassword}` });
      },
      connectAdmin: createAdminSessions(),
    });
  }, 60_000);
  afterAll(async () => {
    root.close();
    await server.stop();
  });

  const stops: (() => void)[] = [];
  afterEach(() => stops.splice(0).forEach((stop) => stop()));

  const authorize = (run = newRun(), role = 'reports/app', pod = 'agent-0'): AuthorizedRun =>
    ({
      run,
      consumer: 'agent',
      params: {},
      upstream,
      task: buildTask({ provider: 'postgres', name: 'query', role, delivery: 'sign' }),
      workload: {
        namespace: 'live',
        serviceAccount: 'agent',
        pod: { name: pod, uid: `uid-${pod}`, node: 'node-1', ips: [] },
      },
    }) as unknown as AuthorizedRun;

  const createIssue = (open = connectDatabase) =>
    createDatabaseIssue({ connectDatabase: open, now: Date.now });

  const issue = async (authorized = authorize()) => {
    const issued = await createIssue()(authorized);
    if (!('secret' in issued) || issued.secret.kind !== 'postgres') throw new Error('no login');
    return { run: issued.run, secret: issued.secret };
  };

  const connect = ({ user, password }: PostgresSecret, database = 'sales') =>
    server.connect({ user, password, database });

  /** A replica of the authority that issued none of the runs. */
  const startReplica = (changes: Partial<DatabaseRolesDeps> = {}) => {
    let index = indexRevocations([]);
    const listeners = new Set<() => void>();
    const counted: unknown[] = [];
    const failures: unknown[] = [];
    const roles = startDatabaseRoles({
      listDatabases: () => [upstream],
      subscribeUpstreams: () => () => undefined,
      connectDatabase,
      revocations: {
        index: () => index,
        subscribe: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      readRoles: () => Promise.resolve(['reports/app']),
      metrics: {
        databaseRolesCounted: (name, counts) => void counted.push([name, counts]),
        reconcileFailed: (controller) => void failures.push(controller),
      },
      maxLifetimeSeconds: 3600,
      clock: { now: Date.now, monotonic: () => performance.now() },
      random: () => 0.5,
      onFailure: (_, error) => void failures.push(error),
      ...changes,
    });
    stops.push(roles.stop);
    const revoke = (...specs: Partial<RevocationSpec>[]): void => {
      index = indexRevocations(
        specs.map((spec, at): Revocation => ({
          ...{ name: `r-${at}`, uid: `${at}`, createdAt: Date.now() },
          spec: { reason: 'test', by: 'someone', ...spec },
        })),
      );
      listeners.forEach((listener) => listener());
    };
    const report = (run: string) => roles.reportRunEnd({ run, caller: {} as Caller });
    return { revoke, report, counted, failures };
  };

  const listRoles = async () =>
    (await root.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'vk\\_%'")).map(
      ([role]) => role?.slice(3) ?? '',
    );
  const untilDropped = async (...runs: readonly string[]) => {
    for (;;) {
      const roles = await listRoles();
      if (runs.every((run) => !roles.includes(run))) return;
    }
  };

  describe('the authority at a database server', () => {
    it('issues a login whose password is in no log, and whose role says whose it is', async () => {
      const { run, secret } = await issue();
      const session = await connect(secret);
      expect(await session.query('SELECT current_user')).toEqual([[`vk_${run}`]]);
      expect(secret).toMatchObject({ upstream: 'reports', host: 'localhost', port: server.port });
      expect(origins).toContain(`postgres://localhost:${server.port}`);
      const comment = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = ";
      expect((await root.query(`${comment}'vk_${run}'`)).flat().join()).toContain(
        '"namespace":"live","serviceAccount":"agent","pod":"agent-0","podUid":"uid-agent-0"',
      );
      for (const password of [secret.password, adminPassword]) {
        expect(server.readLog()).not.toContain(password);
      }
      session.close();
    });

    it.each([
      ['bare', 'INHERIT'],
      ['boss', 'superuser'],
      ['climber', 'superuser'],
      ['shell', 'pg_execute_server_program'],
      ['missing', 'existing role'],
    ])('refuses the template role %s, and creates none', async (template, expected) => {
      const authorized = authorize(newRun(), `reports/${template}`);
      await expect(createIssue()(authorized)).rejects.toMatchObject({
        code: 'template_role_refused',
        message: expect.stringContaining(expected) as unknown,
      });
      expect(await listRoles()).not.toContain(authorized.run);
    });

    it.each([
      ['a password that is not the one of the admin role', { text: 'valetkey:another-password' }],
      ['an admin role that may not create roles', undefined],
    ])('answers database_unavailable for %s, and names neither', async (_what, given) => {
      await root
        .query("CREATE ROLE weak LOGIN PASSWORD 'weak-0123456789abcdef'")
        .catch(() => undefined);
      const text = given?.text ?? 'weak:weak-0123456789abcdef';
      const open = createDatabaseSessions({
        readSourceSecret: () => Promise.resolve({ text }),
        connectAdmin: createAdminSessions(),
      });
      const refused = createIssue(open)(authorize());
      await expect(refused).rejects.toMatchObject({ code: 'database_unavailable' });
      const failure: unknown = await refused.catch((thrown: unknown) => thrown);
      expect(String(failure)).not.toContain(text.split(':')[1]);
    });

    it('answers secret_invalid for a Secret that is no user:password', async () => {
      const open = createDatabaseSessions({
        readSourceSecret: () => Promise.resolve({ text: 'no-colon-in-this-secret' }),
        connectAdmin: createAdminSessions(),
      });
      await expect(createIssue(open)(authorize())).rejects.toMatchObject({
        code: 'secret_invalid',
      });
    });

    it('ends sessions and roles whose end a sidecar reports, and hands objects to the template', async () => {
      const [one, other] = [await issue(), await issue()];
      const session = await connect(one.secret);
      const there = await connect(one.secret, 'other');
      await runAll(session, ['CREATE TABLE handed (id int)', 'INSERT INTO handed VALUES (7)']);
      await there.query('CREATE SCHEMA handed');
      const kept = await connect(other.secret);
      const busy = expect(session.query('SELECT pg_sleep(600)')).rejects.toThrow('57P01');
      await startReplica().report(one.run);
      await Promise.all([busy, session.closed, there.closed, untilDropped(one.run)]);
      expect(await kept.query('SELECT id FROM handed')).toEqual([['7']]);
      expect(
        await kept.query("SELECT tableowner FROM pg_tables WHERE tablename = 'handed'"),
      ).toEqual([['app']]);
      await expect(connect(one.secret)).rejects.toThrow('28P01');
      kept.close();
    });

    it.each([
      ['its run', (run: string) => ({ run })],
      ['its pod', () => ({ pod: { namespace: 'live', name: 'agent-0' } })],
      ['its task', () => ({ task: { namespace: 'live', serviceAccount: 'agent', task: 'query' } })],
      ['its namespace', () => ({ namespace: 'live' })],
    ])('ends sessions of a run on a Revocation of %s, and of no other', async (_what, build) => {
      const revoked = await issue();
      const other = await issue(authorize(newRun(), 'reports/app', 'agent-1'));
      const session = await connect(revoked.secret);
      startReplica().revoke(build(revoked.run), { namespace: 'elsewhere' });
      await Promise.all([session.closed, untilDropped(revoked.run)]);
      const isNamed = _what === 'its run' || _what === 'its pod';
      if (isNamed) expect(await listRoles()).toContain(other.run);
      await root.query(`DROP ROLE IF EXISTS "vk_${other.run}"`);
    });

    it('sweeps the role of a lost node, once its deadline is over, and keeps the others', async () => {
      const [lost, running] = [await issue(), await issue()];
      const session = await connect(lost.secret);
      await root.query(`ALTER ROLE "vk_${lost.run}" VALID UNTIL '2020-01-01T00:00:00Z'`);
      const { revoke, counted } = startReplica();
      revoke();
      await Promise.all([session.closed, untilDropped(lost.run)]);
      expect(await listRoles()).toContain(running.run);
      while (counted.length === 0) await listRoles();
      expect(counted.at(-1)).toEqual(['reports', { active: expect.any(Number), overdue: 0 }]);
    });

    it('ends sessions and roles of an Upstream that is deleted, and of no other', async () => {
      const deleted = await issue();
      const other = await issue({
        ...authorize(),
        upstream: { ...upstream, name: 'kept', uid: 'uid-kept' },
      });
      const [session, kept] = [await connect(deleted.secret), await connect(other.secret)];
      await session.query('CREATE TABLE of_deleted (id int)');
      let upstreams = [upstream];
      let notify = (): void => undefined;
      const { counted, failures } = startReplica({
        listDatabases: () => upstreams,
        subscribeUpstreams: (listener) => {
          notify = listener;
          return () => undefined;
        },
      });
      notify();
      while (counted.length === 0) await listRoles();
      expect(await listRoles()).toContain(deleted.run);
      upstreams = [];
      notify();
      await Promise.all([session.closed, untilDropped(deleted.run)]);
      expect(await kept.query('SELECT current_user')).toEqual([[`vk_${other.run}`]]);
      expect(
        await kept.query("SELECT tableowner FROM pg_tables WHERE tablename = 'of_deleted'"),
      ).toEqual([['app']]);
      expect(failures).toEqual([]);
      kept.close();
    });

    it('ends each role once, while several replicas do so at the same time', async () => {
      const issued = await Promise.all(Array.from({ length: 6 }, () => issue()));
      const sessions = await Promise.all(issued.map(({ secret }) => connect(secret)));
      const replicas = [startReplica(), startReplica(), startReplica()];
      await Promise.all(replicas.flatMap(({ report }) => issued.map(({ run }) => report(run))));
      await Promise.all([untilDropped(...issued.map(({ run }) => run))]);
      await Promise.all(sessions.map(({ closed }) => closed));
      expect(replicas.flatMap(({ failures }) => failures)).toEqual([]);
    });

    it('counts a role that it cannot drop as overdue and repeats, until it can', async () => {
      const { run } = await issue();
      await root.query(`ALTER ROLE "vk_${run}" VALID UNTIL '2020-01-01T00:00:00Z'`);
      const { revoke, counted, failures } = startReplica({ connectDatabase: refuseOnce(run) });
      revoke();
      await untilDropped(run);
      expect(failures).toContain('database-roles');
      expect(counted).toContainEqual(['reports', { active: expect.any(Number), overdue: 1 }]);
    });
  });

  /** The first drop of a role fails, as when another session holds a lock. */
  const refuseOnce = (run: string): ConnectDatabase => {
    let isRefused = false;
    return async (...parameters) => {
      const session = await connectDatabase(...parameters);
      return {
        ...session,
        query: async (...statements) => {
          if (
            !isRefused &&
            statements.some((sql) => sql.includes(`DROP ROLE IF EXISTS "vk_${run}"`))
          ) {
            isRefused = true;
            throw new Error('canceling statement due to lock timeout');
          }
          return session.query(...statements);
        },
      };
    };
  };
};
