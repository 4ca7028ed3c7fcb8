import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';

import type { AuditEvent } from '../../lib/audit/record.ts';
import type { Revocation } from '../../lib/contract/authority.ts';
import { NOON, revocation } from '../../lib/revocation/fixtures/revocations.ts';
import { indexRevocations } from '../../lib/revocation/matching.ts';
import { openCollection, type CollectionEdges } from './collection.ts';

beforeEach(() => void jest.useFakeTimers({ now: NOON + 3_700_000 }));
afterEach(() => void jest.useRealTimers());

const open = (all: readonly Revocation[], edges: Partial<CollectionEdges> = {}) => {
  const removed: string[] = [];
  const events: AuditEvent[] = [];
  const failures: string[] = [];
  let leases = 0;
  const collection = openCollection({
    revocations: { index: () => indexRevocations(all), isCurrent: () => true },
    remove: (name, uid) => {
      removed.push(`${name} ${uid}`);
      return Promise.resolve('removed');
    },
    readPodUid: ({ name }) => Promise.resolve(name === 'alive' ? 'u-alive' : undefined),
    collectLeases: () => Promise.resolve(void (leases += 1)),
    by: 'authority',
    lifetimeCeilingSeconds: 3600,
    record: (event) => Promise.resolve(void events.push(event)),
    clock: { now: () => Date.now() },
    random: () => 0.5,
    onFailure: (message) => failures.push(message),
    ...edges,
  });
  return { collection, removed, events, failures, leases: () => leases };
};

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
const pod = (name: string) => ({ pod: { namespace: 'a', name, uid: `u-${name}` } });

test('what names nothing alive is removed, and recorded; what does stays', async () => {
  const { collection, removed, events } = open([
    revocation('run', { run: 'r' }),
    revocation('young', { run: 's' }, NOON + 3_000_000),
    revocation('all', { all: true }),
    revocation('alive', pod('alive')),
    revocation('gone', pod('gone')),
  ]);
  await pass(0);
  expect(removed).toEqual(['run uid-run', 'gone uid-gone']);
  expect(events).toMatchObject([
    { kind: 'revocation.collected', subject: 'run' },
    {
      subject: 'gone',
      message: 'nothing is alive of pod a/gone, revoked by ann@example.com',
    },
  ]);
  collection.stop();
});

test('a pod of the same name that came later does not keep the Revocation of the earlier', async () => {
  const { collection, removed } = open([revocation('gone', pod('gone'))], {
    readPodUid: () => Promise.resolve('u-later'),
  });
  await pass(0);
  expect(removed).toEqual(['gone uid-gone']);
  collection.stop();
});

test("another replica's removal, and that of a completion, are not recorded by this one", async () => {
  const all = [revocation('run', { run: 'r' }), revocation('run-s', { run: 's', by: 'authority' })];
  const { collection, events, removed } = open(all, {
    remove: (name) => Promise.resolve(name === 'run' ? 'gone' : 'removed'),
  });
  await pass(0);
  expect([events, removed]).toEqual([[], []]);
  collection.stop();
});

test('nothing is removed on old knowledge', async () => {
  const all = [revocation('run', { run: 'r' })];
  const { collection, removed, leases } = open(all, {
    revocations: { index: () => indexRevocations(all), isCurrent: () => false },
  });
  await pass(0);
  expect([removed, leases()]).toEqual([[], 1]);
  collection.stop();
});

test('it goes on each minute, whatever fails', async () => {
  const { collection, failures, leases } = open([revocation('run', { run: 'r' })], {
    remove: () => Promise.reject(new Error('no answer')),
  });
  await pass(125_000);
  expect(failures).toEqual(Array(3).fill('Revocations not collected'));
  expect(leases()).toBe(3);
  collection.stop();
  await pass(125_000);
  expect(leases()).toBe(3);
});

test('Leases that cannot be collected are told of', async () => {
  const { collection, failures } = open([], {
    collectLeases: () => Promise.reject(new Error('no answer')),
  });
  await pass(0);
  expect(failures).toEqual(['Leases of spent tokens not collected']);
  collection.stop();
});
