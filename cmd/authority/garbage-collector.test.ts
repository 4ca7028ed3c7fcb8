import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';

import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import type { Revocation } from '../../lib/contract/authority-api.ts';
import { NOON, buildRevocation } from '../../lib/revocation/fixtures/revocation-objects.ts';
import { indexRevocations } from '../../lib/revocation/matching.ts';
import { startGarbageCollector, type GarbageCollectorDeps } from './garbage-collector.ts';

beforeEach(() => void jest.useFakeTimers({ now: NOON + 3_700_000 }));
afterEach(() => void jest.useRealTimers());

const startTestCollector = (
  all: readonly Revocation[],
  edges: Partial<GarbageCollectorDeps> = {},
) => {
  const removed: string[] = [];
  const events: AuditEvent[] = [];
  const failures: string[] = [];
  let leases = 0;
  const collection = startGarbageCollector({
    revocations: { index: () => indexRevocations(all), isCurrent: () => true },
    remove: (name, uid) => {
      removed.push(`${name} ${uid}`);
      return Promise.resolve('removed');
    },
    readPodUid: ({ name }) => Promise.resolve(name === 'alive' ? 'u-alive' : undefined),
    collectLeases: () => Promise.resolve(void (leases += 1)),
    by: 'authority',
    maxLifetimeSeconds: 3600,
    record: (event) => Promise.resolve(void events.push(event)),
    clock: { now: () => Date.now() },
    random: () => 0.5,
    onFailure: (message) => failures.push(message),
    ...edges,
  });
  return { collection, removed, events, failures, leases: () => leases };
};

const advanceTime = (ms: number) => jest.advanceTimersByTimeAsync(ms);
const buildTarget = (name: string) => ({ pod: { namespace: 'a', name, uid: `u-${name}` } });

test('what names nothing alive is removed, and recorded; what does stays', async () => {
  const { collection, removed, events } = startTestCollector([
    buildRevocation('run', { run: 'r' }),
    buildRevocation('young', { run: 's' }, NOON + 3_000_000),
    buildRevocation('all', { all: true }),
    buildRevocation('alive', buildTarget('alive')),
    buildRevocation('gone', buildTarget('gone')),
  ]);
  await advanceTime(0);
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
  const { collection, removed } = startTestCollector(
    [buildRevocation('gone', buildTarget('gone'))],
    {
      readPodUid: () => Promise.resolve('u-later'),
    },
  );
  await advanceTime(0);
  expect(removed).toEqual(['gone uid-gone']);
  collection.stop();
});

test("another replica's removal, and that of a completion, are not recorded by this one", async () => {
  const all = [
    buildRevocation('run', { run: 'r' }),
    buildRevocation('run-s', { run: 's', by: 'authority' }),
  ];
  const { collection, events, removed } = startTestCollector(all, {
    remove: (name) => Promise.resolve(name === 'run' ? 'gone' : 'removed'),
  });
  await advanceTime(0);
  expect([events, removed]).toEqual([[], []]);
  collection.stop();
});

test('nothing is removed on old knowledge', async () => {
  const all = [buildRevocation('run', { run: 'r' })];
  const { collection, removed, leases } = startTestCollector(all, {
    revocations: { index: () => indexRevocations(all), isCurrent: () => false },
  });
  await advanceTime(0);
  expect([removed, leases()]).toEqual([[], 1]);
  collection.stop();
});

test('it goes on each minute, whatever fails', async () => {
  const { collection, failures, leases } = startTestCollector(
    [buildRevocation('run', { run: 'r' })],
    {
      remove: () => Promise.reject(new Error('no answer')),
    },
  );
  await advanceTime(125_000);
  expect(failures).toEqual(Array(3).fill('Revocations not collected'));
  expect(leases()).toBe(3);
  collection.stop();
  await advanceTime(125_000);
  expect(leases()).toBe(3);
});

test('Leases that cannot be collected are told of', async () => {
  const { collection, failures } = startTestCollector([], {
    collectLeases: () => Promise.reject(new Error('no answer')),
  });
  await advanceTime(0);
  expect(failures).toEqual(['Leases of spent tokens not collected']);
  collection.stop();
});
