import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { sendRequest, startTestSidecar } from '../../../cmd/sidecar/fixtures/test-sidecar.ts';
import type { Exchange, IssuedRun } from '../../../lib/contract/exchange.ts';
import type { PostgresSecret } from '../../../lib/contract/upstream.ts';
import { renderCancelRequest } from '../../../lib/postgres/startup.ts';
import { buildTask } from '../../../lib/runs/fixtures/fake-exchange.ts';
import { buildPostgresClients } from '../../clients/postgres-clients.ts';
import type { PostgresSession } from '../../postgres-client.ts';
import { newPassword, prepareDatabases, startRun } from '../../postgres-runs.ts';
import type { PostgresServer } from '../../postgres-server.ts';

/** Tests the sessions that the sidecar serves. */
export const testGateway = (start: () => Promise<PostgresServer>): void => {
  const run = promisify(execFile);

  let server: PostgresServer;
  let admin: PostgresSession;
  const adminPassword = newPassword();
  beforeAll(async () => {
    server = await start();
    await prepareDatabases(server, adminPassword);
    admin = await server.connect({ user: 'valetkey', password: adminPassword });
  }, 60_000);
  afterAll(async () => {
    admin.close();
    await server.stop();
  });

  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  const shared = { provider: 'postgres', role: 'reports/app', delivery: 'sign' } as const;
  const TASKS = [
    buildTask({
      ...shared,
      name: 'query',
      containers: ['agent', 'helper'],
      allow: [{ actions: ['postgres:connect'], resources: ['postgres://reports/sales'] }],
    }),
    buildTask({
      ...shared,
      name: 'tenant',
      params: { id: { pattern: '[a-z]+', maxLength: 20 } },
      allow: [{ actions: ['postgres:connect'], resources: ['postgres://reports/{id}'] }],
    }),
  ];

  type ExchangeChanges = { secret?: Partial<PostgresSecret>; lifetimeSeconds?: number };

  const startGateway = async ({
    secret: changes = {},
    lifetimeSeconds = 600,
  }: ExchangeChanges = {}) => {
    const issued: IssuedRun[] = [];
    const exchange: Exchange = async ({ task }) => {
      const lasts = task.lifetimeSeconds * 1000;
      const { run: id, secret } = await startRun(admin, server, Date.now() + lasts);
      const result = { run: id, secret: { ...secret, ...changes }, skewMs: 0 };
      issued.push({ ...result, deadline: Date.now() + lasts });
      return { ...result, deadline: Date.now() + lasts };
    };
    const journal: string[] = [];
    const access = {
      region: 'eu-central-1',
      dialect: 'aws',
      maxBodyBytes: 1_048_576,
      bufferBytes: 1_048_576,
    };
    const sidecar = await startTestSidecar({
      tasks: TASKS.map((task) => ({ ...task, lifetimeSeconds })),
      exchange,
      environment: { VALETKEY_GATEWAY: JSON.stringify(access) },
      write: (text, done) => {
        journal.push(text);
        done();
      },
    });
    let stopping: Promise<void> | undefined;
    const stop = () => (stopping ??= sidecar.stop());
    closers.push(sidecar.remove, stop);
    const readToken = (consumer = 'agent') =>
      readFileSync(join(sidecar.folder, consumer, 'token'), 'utf8').trim();
    const connect = async (config: pg.ClientConfig = {}, consumer = 'agent') => {
      const client = new pg.Client({
        host: join(sidecar.folder, consumer),
        port: 5432,
        user: 'anyone',
        ...config,
      });
      client.on('error', () => undefined);
      closers.push(() => client.end().catch(() => undefined));
      await client.connect();
      return client;
    };
    const loopback = (task = 'query') => ({
      host: '127.0.0.1',
      port: sidecar.databasePorts?.get(task) ?? 0,
    });
    const askSidecar = async (path: string, method: string) =>
      (
        await sendRequest({
          ...{ port: sidecar.loopbackPort, path, method },
          headers: { Authorization: readToken() },
        })
      ).status;
    return { ...sidecar, stop, askSidecar, issued, journal, connect, loopback, readToken };
  };

  const whoAmI =
    'SELECT current_user AS me, current_database() AS db, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

  describe('the gateway for tasks of provider postgres', () => {
    it('gives node-postgres a session with TLS as the role of the run in the database of the task', async () => {
      const { connect, issued } = await startGateway();
      const client = await connect({ application_name: 'mine' });
      const { rows } = await client.query(whoAmI);
      expect(rows).toEqual([{ me: `vk_${issued[0]?.run}`, db: 'sales', ssl: true }]);
      expect((await client.query('SHOW application_name')).rows).toEqual([
        { application_name: 'mine' },
      ]);
      const prepared = await client.query('SELECT $1::int + 1 AS n', [41]);
      expect(prepared.rows).toEqual([{ n: 42 }]);
    });

    it('shares one run between sessions, and gives a consumer only its own', async () => {
      const { connect, issued } = await startGateway();
      const [one, two] = [await connect(), await connect()];
      const me = async (client: pg.Client): Promise<unknown> =>
        (await client.query<{ me: string }>('SELECT current_user AS me')).rows[0]?.me;
      expect(await me(one)).toEqual(await me(two));
      expect(await me(await connect({}, 'helper'))).not.toEqual(await me(one));
      expect(issued).toHaveLength(2);
    });

    it.each([
      ['another database', { database: 'other' }, '42501', 'postgres://reports/other'],
      ['a database of the server', { database: 'postgres' }, '42501', 'outside task query'],
      ['replication', { replication: 'database' }, '08P01', 'replication'],
    ])('refuses %s with its own error', async (_what, config, code, message) => {
      const { connect } = await startGateway();
      const refused = connect({ database: 'sales', ...config });
      await expect(refused).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message) as unknown,
      });
    });

    it('needs the ID of a run as user for a task with params, and binds its database', async () => {
      const { connect, loopbackPort, readToken } = await startGateway();
      await expect(connect({ port: 5433, user: '' })).rejects.toMatchObject({ code: '08P01' });
      await expect(connect({ port: 5433, user: 'someone' })).rejects.toMatchObject({
        code: '28000',
      });
      const { text } = await sendRequest({
        port: loopbackPort,
        path: '/v1/tasks/tenant/runs',
        method: 'POST',
        headers: { Authorization: readToken(), 'Content-Type': 'application/json' },
        body: '{"params":{"id":"other"}}',
      });
      const { run: id, host } = JSON.parse(text) as { run: string; host: string };
      expect(host).toBe('/var/run/valetkey');
      const client = await connect({ port: 5433, user: id });
      expect((await client.query(whoAmI)).rows).toEqual([
        { me: `vk_${id}`, db: 'other', ssl: true },
      ]);
      await expect(connect({ port: 5433, user: id, database: 'sales' })).rejects.toMatchObject({
        code: '42501',
      });
    });

    it('accepts the loopback token as password on loopback, as JDBC sends it', async () => {
      const { connect, loopback, readToken, issued } = await startGateway();
      const client = await connect({ ...loopback(), password: readToken('helper') });
      expect((await client.query(whoAmI)).rows).toMatchObject([{ me: `vk_${issued[0]?.run}` }]);
      for (const password of ['', 'other', readToken().slice(1)]) {
        await expect(connect({ ...loopback(), password })).rejects.toMatchObject({ code: '28P01' });
      }
      const foreign = connect({ ...loopback('tenant'), password: readToken('helper') });
      await expect(foreign).rejects.toMatchObject({ code: '42501' });
    });

    it('ends sessions with their run', async () => {
      const { connect, askSidecar, issued } = await startGateway();
      const client = await connect();
      const closed = new Promise((resolve) => client.once('end', resolve));
      const busy = client.query('SELECT pg_sleep(600)');
      const cut = expect(busy).rejects.toThrow('Connection terminated');
      expect(await askSidecar(`/v1/runs/${issued[0]?.run}`, 'DELETE')).toBe(204);
      await Promise.all([cut, closed]);
    });

    it('ends sessions at the deadline of their run, and starts the next run for the next session', async () => {
      const { connect, issued, journal } = await startGateway({ lifetimeSeconds: 3 });
      const client = await connect();
      await new Promise((resolve) => client.once('end', resolve));
      const next = await connect();
      expect((await next.query('SELECT current_user AS me')).rows).toEqual([
        { me: `vk_${issued.at(-1)?.run}` },
      ]);
      expect(issued.length).toBeGreaterThan(1);
      expect(journal.join('')).toMatch(/"operation":"postgres.disconnect".*"outcome":"cut"/);
    });

    it('ends sessions when the sidecar stops', async () => {
      const { connect, stop } = await startGateway();
      const client = await connect();
      const closed = new Promise((resolve) => client.once('end', resolve));
      await stop();
      await closed;
    });

    it('passes a cancel request for an own session, and none for one of another consumer', async () => {
      const { connect, folder, loopback, readToken } = await startGateway();
      const client = (await connect()) as pg.Client & { processID: number; secretKey: number };
      const { processID: pid, secretKey: secret } = client;
      const isBusy = async () =>
        (
          await admin.query(
            `SELECT 1 FROM pg_stat_activity WHERE pid = ${pid} AND state = 'active'`,
          )
        ).length > 0;
      const cancel = (socket: Socket) =>
        new Promise((resolve) =>
          socket.once('close', resolve).end(renderCancelRequest({ pid, secret })),
        );
      const busy = client.query('SELECT pg_sleep(600)');
      const cancelled = expect(busy).rejects.toMatchObject({ code: '57014' });
      while (!(await isBusy()));
      await cancel(connectSocket(join(folder, 'helper', '.s.PGSQL.5432')));
      await cancel(connectSocket(loopback()));
      await cancel(connectSocket(join(folder, 'agent', '.s.PGSQL.5433')));
      expect(await isBusy()).toBe(true);
      await cancel(connectSocket(join(folder, 'agent', '.s.PGSQL.5432')));
      await cancelled;
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      expect(readToken()).not.toBe('');
    });

    it('serves psql: asked for encryption it says no, and no password is needed on the socket', async () => {
      const { folder, loopback, readToken } = await startGateway();
      const ask = (environment: Record<string, string>) =>
        run('psql', ['-XAtc', 'SELECT current_database()'], {
          env: { PATH: process.env['PATH'], PGUSER: 'anyone', ...environment },
        });
      const { stdout } = await ask({ PGHOST: join(folder, 'agent'), PGPORT: '5432' });
      expect(stdout).toBe('sales\n');
      const { host: PGHOST, port } = loopback();
      const overTcp = { PGHOST, PGPORT: `${port}`, PGPASSWORD: readToken() };
      expect((await ask({ ...overTcp, PGSSLMODE: 'prefer' })).stdout).toBe('sales\n');
      await expect(ask({ ...overTcp, PGSSLMODE: 'require' })).rejects.toThrow(
        'does not support SSL',
      );
    });

    it.each(['psycopg', 'pgx'] as const)(
      'serves %s by its variables alone',
      async (name) => {
        const { folder } = await startGateway();
        const [command = '', ...args] = (await buildPostgresClients())[name];
        const { stdout } = await run(command, [...args, 'SELECT current_database()::text'], {
          env: { PGHOST: join(folder, 'agent'), PGPORT: '5432', PGUSER: 'query' },
        });
        expect(stdout).toBe('sales\n');
      },
      300_000,
    );

    it('serves JDBC on loopback, with the loopback token as password', async () => {
      const { loopback, readToken } = await startGateway();
      const [command = '', ...args] = (await buildPostgresClients()).jdbc;
      const ask = (url: string, password: string) =>
        run(command, [...args, url, password, 'SELECT current_database()']);
      const { host, port } = loopback();
      const url = `jdbc:postgresql://${host}:${port}/sales`;
      expect((await ask(url, readToken())).stdout).toBe('sales\n');
      await expect(ask(url, 'another')).rejects.toThrow('key_required');
    }, 300_000);

    it('makes the server wait for a client that does not read', async () => {
      const { connect } = await startGateway();
      const client = (await connect()) as pg.Client & {
        processID: number;
        connection: { stream: Socket };
      };
      client.connection.stream.pause();
      const rows = client.query("SELECT repeat('x', 4000) FROM generate_series(1, 50000)");
      const isWaiting = async () =>
        (
          await admin.query(
            `SELECT 1 FROM pg_stat_activity WHERE pid = ${client.processID} AND wait_event = 'ClientWrite'`,
          )
        ).length > 0;
      while (!(await isWaiting()));
      client.connection.stream.resume();
      expect((await rows).rowCount).toBe(50_000);
    });

    it('copies 64 MiB each way', async () => {
      const { folder } = await startGateway();
      const copy = (sql: string) =>
        run('sh', ['-c', sql], {
          env: { PATH: process.env['PATH'], PGUSER: 'x', PGHOST: join(folder, 'agent') },
          maxBuffer: 1024,
        });
      await copy(
        'head -c 50331648 /dev/zero | base64 | psql -Xqc "CREATE TABLE IF NOT EXISTS big (line text)" -c "COPY big FROM STDIN"',
      );
      const { stdout } = await copy('psql -Xqc "COPY big TO STDOUT" | wc -c');
      expect(Number(stdout)).toBe(67_991_876);
    });

    it.each([
      ['a certificate that it does not trust', { caBundle: undefined }, 'upstream_untrusted'],
      ['a certificate of another name', { host: '127.0.0.1' }, 'upstream_untrusted'],
      ['no answer', { port: 1 }, 'upstream_unreachable'],
    ])('refuses a server with %s', async (_what, secret, code) => {
      const { connect } = await startGateway({ secret: secret as Partial<PostgresSecret> });
      await expect(connect()).rejects.toMatchObject({
        code: code === 'upstream_untrusted' ? '08006' : '57P03',
        message: expect.stringContaining(code) as unknown,
      });
    });

    it('passes on why the server refuses a login', async () => {
      const { connect } = await startGateway({ secret: { password: newPassword() } });
      await expect(connect()).rejects.toMatchObject({ code: '28P01' });
    });

    it('journals each session at its begin and its end, with bytes and without SQL', async () => {
      const { connect, journal, issued, stop, lines } = await startGateway();
      const client = await connect();
      await client.query("SELECT 'not-for-logs'");
      await client.end();
      await connect({ database: 'other' }).catch(() => undefined);
      await stop();
      const entries = journal.map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(entries.map(({ operation, outcome, code }) => [operation, outcome, code])).toEqual([
        ['postgres.connect', 'allowed', undefined],
        ['postgres.disconnect', 'allowed', undefined],
        ['postgres.connect', 'refused', 'resource_outside'],
      ]);
      expect(entries[1]).toMatchObject({
        run: issued[0]?.run,
        task: 'query',
        consumer: 'agent',
        resources: ['postgres://reports/sales'],
      });
      expect(Number(entries[1]?.['in'])).toBeGreaterThan(50);
      const { secret } = issued[0] as { secret: PostgresSecret };
      for (const text of ['not-for-logs', secret.password]) {
        expect(JSON.stringify([journal, lines])).not.toContain(text);
      }
      expect(server.readLog()).not.toContain(secret.password);
    });
  });
};
