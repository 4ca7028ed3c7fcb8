import { afterEach, describe, expect, it } from '@jest/globals';

import { waitFor } from '../../test/kit/retry.ts';
import type { Row } from '../../lib/postgres/query-messages.ts';
import { LIST_RUN_ROLES } from '../../lib/postgres/run-roles.ts';
import type { PostgresUpstream } from '../../lib/upstreams/upstream.ts';
import { startDatabaseRoles } from './database-roles.ts';

const upstream = {
  ...{ kind: 'postgres', name: 'reports', uid: 'uid-1', host: 'db.example', port: 5432 },
  admin: { name: 'reports-admin', key: 'login' },
  templates: [{ role: 'app', level: 'Write' }],
} as const satisfies PostgresUpstream;

const OWN = `vk_${'a'.repeat(32)}`;
const OTHER = `vk_${'b'.repeat(32)}`;
const UNKNOWN = `vk_${'c'.repeat(32)}`;
const MINUTE_MS = 60_000;

const stops: (() => void)[] = [];
afterEach(() => stops.splice(0).forEach((stop) => stop()));

/** A server with live roles of two Upstreams, and one of which it is not known. */
const startServer = () => {
  const roles = new Map([
    [OWN, '{"upstreamUid":"uid-1"}'],
    [OTHER, '{"upstreamUid":"uid-2"}'],
    [UNKNOWN, null],
  ]);
  const state = { isDown: false, passes: 0 };
  const query = (...batch: readonly string[]): Promise<readonly Row[]> => {
    const sql = batch.at(-1) ?? '';
    for (const [name] of roles) {
      if (sql.includes(`DROP ROLE IF EXISTS "${name}"`)) roles.delete(name);
    }
    const rows = [...roles].map(([name, comment]): Row => [name, 'app', 'f', comment]);
    return Promise.resolve(sql === LIST_RUN_ROLES ? rows : []);
  };
  const connect = () => {
    state.passes += 1;
    return state.isDown
      ? Promise.reject(new Error('no such host'))
      : Promise.resolve({ query, close: () => undefined });
  };
  return { roles, state, connect };
};

const start = async () => {
  const server = startServer();
  let upstreams: readonly PostgresUpstream[] = [upstream];
  let now = 0;
  let notify = (): void => undefined;
  const counted: unknown[] = [];
  const failures: string[] = [];
  const started = startDatabaseRoles({
    listDatabases: () => upstreams,
    subscribeUpstreams: (listener) => {
      notify = listener;
      return () => undefined;
    },
    connectDatabase: server.connect,
    revocations: {
      index: () => ({ find: () => undefined }) as never,
      subscribe: () => () => undefined,
    },
    readRoles: () => Promise.resolve(['reports/app']),
    metrics: {
      databaseRolesCounted: (...count) => void counted.push(count),
      reconcileFailed: () => undefined,
    },
    maxLifetimeSeconds: 3600,
    clock: { now: Date.now, monotonic: () => now },
    random: () => 1,
    onFailure: (message) => void failures.push(message),
  });
  stops.push(started.stop);
  /** Also what the watch does at each change. */
  const change = (next: readonly PostgresUpstream[]): void => {
    upstreams = next;
    notify();
  };
  const passAfter = async (ms: number): Promise<void> => {
    now += ms;
    const { passes } = server.state;
    notify();
    await waitFor('a pass', () => server.state.passes > passes);
  };
  change([upstream]);
  await waitFor('the first pass', () => counted.length > 0);
  return { ...server, counted, failures, change, passAfter };
};

const isEnded = (counted: readonly unknown[]) => (): boolean =>
  JSON.stringify(counted.at(-1)) === JSON.stringify(['reports', undefined]);

describe('the roles of an Upstream that is deleted', () => {
  it('end at once, and no other roles of its server', async () => {
    const { roles, counted, change } = await start();
    expect([...roles.keys()]).toEqual([OWN, OTHER, UNKNOWN]);
    change([]);
    await waitFor('its role to be dropped', () => !roles.has(OWN));
    expect([...roles.keys()]).toEqual([OTHER, UNKNOWN]);
    await waitFor('a count', () => counted.length > 1);
    expect(counted.at(-1)).toEqual(['reports', { active: 2, overdue: 0 }]);
  });

  it('are looked for until a run that was about to start has its role', async () => {
    const { roles, state, counted, change, passAfter } = await start();
    change([]);
    await waitFor('its role to be dropped', () => !roles.has(OWN));
    roles.set(OWN, '{"upstreamUid":"uid-1"}');
    await passAfter(0);
    await waitFor('its late role to be dropped', () => !roles.has(OWN));
    await passAfter(MINUTE_MS);
    await waitFor('the end of its counts', isEnded(counted));
    const { passes } = state;
    change([]);
    expect(state.passes).toBe(passes);
  });

  it.each([
    ['names another server', { ...upstream, host: 'other.example' }],
    ['was deleted and created again', { ...upstream, uid: 'uid-3' }],
  ])('end at the server of before when it %s', async (_what, next) => {
    const { roles, change } = await start();
    change([next]);
    await waitFor('its role to be dropped', () => !roles.has(OWN));
    expect([...roles.keys()]).toEqual([OTHER, UNKNOWN]);
  });

  it('stay when only its other members change, or another Upstream is deleted', async () => {
    const { roles, counted, change } = await start();
    const changed = { ...upstream, admin: { name: 'another', key: 'login' } };
    const second = { ...upstream, name: 'second', uid: 'uid-3' };
    change([changed, second]);
    const countSecond = () => counted.filter((each) => JSON.stringify(each).includes('second'));
    await waitFor('a pass of the second', () => countSecond().length > 0);
    change([changed]);
    await waitFor('its last pass', () => countSecond().length > 1);
    expect([...roles.keys()]).toEqual([OWN, OTHER, UNKNOWN]);
  });

  it('are left, with a failure that says so, if its server was gone for the longest lifetime', async () => {
    const { roles, state, counted, failures, change, passAfter } = await start();
    state.isDown = true;
    change([]);
    await waitFor('a failure', () => failures.length > 0);
    await passAfter(30 * MINUTE_MS);
    await waitFor('another failure', () => failures.length > 1);
    expect(new Set(failures)).toEqual(new Set(['roles of ended runs not dropped']));
    await passAfter(30 * MINUTE_MS);
    await waitFor('the end of its counts', isEnded(counted));
    await waitFor('the last failure', () => failures.length > 2);
    expect(failures.at(-1)).toBe('roles of a deleted upstream are left at its server');
    expect(roles.has(OWN)).toBe(true);
  });
});
