import { afterEach, describe, expect, it } from '@jest/globals';

import type { Row } from '../../lib/postgres/query-messages.ts';
import { LIST_RUN_ROLES } from '../../lib/postgres/run-roles.ts';
import type { PostgresUpstream } from '../../lib/upstreams/upstream.ts';
import { startDatabaseRoles } from './database-roles.ts';

const upstream = {
  ...{ kind: 'postgres', name: 'reports', host: 'db.example', port: 5432 },
  admin: { name: 'reports-admin', key: 'login' },
  templates: [{ role: 'app', level: 'Write' }],
} as const satisfies PostgresUpstream;

const ROLES = ['a', 'b', 'c'].map((letter) => `vk_${letter.repeat(32)}`);

const stops: (() => void)[] = [];
afterEach(() => stops.splice(0).forEach((stop) => stop()));

/**
 * Runs one pass through three roles past their deadline, which have objects in one database.
 *
 * @param isRefused statements that the server refuses, such as those that wait for a lock too long
 * @returns the statements in their order, and the failure of the pass
 */
const sweepOnce = async (isRefused: (sql: string) => boolean) => {
  const statements: string[] = [];
  const answer = (sql: string): readonly Row[] => {
    if (sql === LIST_RUN_ROLES) return ROLES.map((role) => [role, 'app', 't', null]);
    return sql.includes('pg_shdepend') ? [['sales']] : [];
  };
  const query = (...batch: readonly string[]): Promise<readonly Row[]> => {
    for (const sql of batch) {
      statements.push(sql);
      if (isRefused(sql))
        return Promise.reject(new Error('canceling statement due to lock timeout'));
    }
    return Promise.resolve(answer(batch.at(-1) ?? ''));
  };
  const error = await new Promise<unknown>((resolve) => {
    const roles = startDatabaseRoles({
      listDatabases: () => [upstream],
      subscribeUpstreams: () => () => undefined,
      connectDatabase: () => Promise.resolve({ query, close: () => undefined }),
      revocations: {
        index: () => ({ find: () => undefined }) as never,
        subscribe: () => () => undefined,
      },
      readRoles: () => Promise.resolve(['reports/app']),
      metrics: { databaseRolesCounted: () => undefined, reconcileFailed: () => undefined },
      maxLifetimeSeconds: 3600,
      clock: { now: Date.now, monotonic: () => performance.now() },
      random: () => 1,
      onFailure: (_, failure) => resolve(failure),
    });
    stops.push(roles.stop);
    void roles.reportRunEnd({ run: 'x', caller: {} as never });
  });
  return { statements, error };
};

const findAll = (statements: readonly string[], text: string): readonly number[] =>
  ROLES.map((role) => statements.findIndex((sql) => sql.includes(text) && sql.includes(role)));

describe('startDatabaseRoles', () => {
  it('ends the sessions of all due roles before it releases what any of them created', async () => {
    const { statements, error } = await sweepOnce((sql) => sql.startsWith('REASSIGN'));
    expect(String(error)).toContain('lock timeout');
    const ends = findAll(statements, 'pg_terminate_backend');
    const releases = findAll(statements, 'REASSIGN OWNED');
    expect(Math.min(...ends, ...releases)).toBeGreaterThan(-1);
    expect(Math.max(...ends)).toBeLessThan(Math.min(...releases));
  });

  it('ends the sessions of a role before anything that its own transaction can lock', async () => {
    const { statements } = await sweepOnce((sql) => sql.startsWith('ALTER ROLE'));
    const ends = findAll(statements, 'pg_terminate_backend');
    const alters = findAll(statements, 'NOLOGIN');
    expect(ends.map((at) => at + 1)).toEqual(alters);
    expect(Math.min(...ends)).toBeGreaterThan(-1);
  });
});
