import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';

import type { ApprovalRequest } from '../../lib/contract/approvals.ts';
import type { TaskProposal } from '../../lib/contract/proposals.ts';
import { SAMPLE_PROPOSAL } from '../../test/kit/proposal-cases.ts';
import { SAMPLE_REQUEST } from '../../test/kit/approval-cases.ts';
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
    readPodUid: ({ name }) => Promise.resolve(name === 'running' ? 'u-running' : undefined),
    approvalRequests: {
      listAllRequests: () => Promise.resolve([]),
      removeRequest: () => Promise.resolve(),
    },
    proposals: { listAll: () => Promise.resolve([]), remove: () => Promise.resolve() },
    onApprovals: () => undefined,
    emergencies: { collectReviews: () => Promise.resolve(new Set<string>()) },
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

test('removes and records an obsolete Revocation, and keeps one that is still in use', async () => {
  const { collection, removed, events } = startTestCollector([
    buildRevocation('run', { run: 'r' }),
    buildRevocation('young', { run: 's' }, NOON + 3_000_000),
    buildRevocation('all', { all: true }),
    buildRevocation('running', buildTarget('running')),
    buildRevocation('gone', buildTarget('gone')),
  ]);
  await advanceTime(0);
  expect(removed).toEqual(['run uid-run', 'gone uid-gone']);
  expect(events).toMatchObject([
    { kind: 'revocation.collected', subject: 'run' },
    {
      subject: 'gone',
      message: 'no longer in use: pod a/gone, revoked by ann@example.com',
    },
  ]);
  collection.stop();
});

test('removes the Revocation of a pod that was replaced by one of the same name', async () => {
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

test('does not record a removal by another replica, or that of a completion', async () => {
  const all = [
    buildRevocation('run', { run: 'r' }),
    buildRevocation('run-s', { run: 's', reason: 'completed', by: 'authority' }),
  ];
  const { collection, events, removed } = startTestCollector(all, {
    remove: (name) => Promise.resolve(name === 'run' ? 'gone' : 'removed'),
  });
  await advanceTime(0);
  expect([events, removed]).toEqual([[], []]);
  collection.stop();
});

test('removes nothing while the revocations are stale', async () => {
  const all = [buildRevocation('run', { run: 'r' })];
  const { collection, removed, leases } = startTestCollector(all, {
    revocations: { index: () => indexRevocations(all), isCurrent: () => false },
  });
  await advanceTime(0);
  expect([removed, leases()]).toEqual([[], 1]);
  collection.stop();
});

test('continues every minute after failures', async () => {
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

test('reports Leases that cannot be collected', async () => {
  const { collection, failures } = startTestCollector([], {
    collectLeases: () => Promise.reject(new Error('no answer')),
  });
  await advanceTime(0);
  expect(failures).toEqual(['Leases of used handles not collected']);
  collection.stop();
});

test('removes requests for approval one hour after their end, and shows them until then', async () => {
  const build = (name: string, agoMs: number): ApprovalRequest => ({
    ...{ name, namespace: 'live', uid: `uid-${name}`, createdAt: 0 },
    spec: { ...SAMPLE_REQUEST, expiresAt: new Date(Date.now() - agoMs).toISOString() },
  });
  const removed: string[] = [];
  const states: (readonly string[])[] = [];
  const all: ApprovalRequest[] = [
    ...[build('old', 3_600_001), build('shown', 3_600_000), build('open', -1)],
    { ...build('used', 1), state: 'used' },
  ];
  const { collection } = startTestCollector([], {
    onApprovals: (found) => void states.push(found.states),
    approvalRequests: {
      listAllRequests: () => Promise.resolve(all),
      removeRequest: ({ uid }) => Promise.resolve(void removed.push(uid)),
    },
  });
  await advanceTime(0);
  expect(removed).toEqual(['uid-old']);
  expect(states).toEqual([['expired', 'expired', 'pending', 'used']]);
  collection.stop();
});

test('removes proposals whose time is over', async () => {
  const removed: string[] = [];
  const build = (name: string, expiresAt: string): TaskProposal => ({
    ...{ name, namespace: 'research', uid: name, createdAt: NOON },
    spec: { ...SAMPLE_PROPOSAL, expiresAt },
  });
  const { collection, failures } = startTestCollector([], {
    proposals: {
      listAll: () =>
        Promise.resolve([
          build('over', new Date(NOON).toISOString()),
          build('open', new Date(NOON + 60_000).toISOString()),
        ]),
      remove: ({ name }) => Promise.resolve(void removed.push(name)),
    },
    clock: { now: () => NOON },
  });
  await advanceTime(0);
  expect(removed).toEqual(['over']);
  expect(failures).toEqual([]);
  collection.stop();
});
