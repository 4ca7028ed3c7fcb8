import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { AuditError, type AuditEvent } from '../../lib/audit/audit-event.ts';
import type { RevocationSpec } from '../../lib/contract/authority-api.ts';
import {
  NOON,
  buildRevocation,
  buildStoredRevocation,
} from '../../lib/revocation/fixtures/revocation-objects.ts';
import { createFakeWatch } from './fixtures/fake-watch.ts';
import type { RememberedRevocations } from './revocation-memory.ts';
import { watchRevocations } from './revocation-watch.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const run = {
  namespace: 'research',
  serviceAccount: 'agent',
  pod: 'agent-0',
  podUid: 'u-0',
  task: 'summarize',
};

const startTestWatch = (
  record?: (event: AuditEvent) => Promise<void>,
  remembered?: RememberedRevocations,
) => {
  const memories: RememberedRevocations[] = [];
  const watching = createFakeWatch();
  const events: AuditEvent[] = [];
  const counts: number[] = [];
  const created: { readonly name: string; readonly spec: RevocationSpec }[] = [];
  const losses: number[] = [];
  let notified = 0;
  const revocations = watchRevocations({
    ...watching,
    by: 'authority',
    memory: { remembered, remember: (state) => void memories.push(state) },
    record: record ?? ((event) => Promise.resolve(void events.push(event))),
    onCount: (count) => counts.push(count),
    create: (name, spec) => Promise.resolve(void created.push({ name, spec })),
    maxLifetimeSeconds: 3600,
    onLost: (count) => losses.push(count),
  });
  revocations.subscribe(() => (notified += 1));
  const countNotified = () => notified;
  const recorded = { events, counts, created, losses, memories };
  return { ...watching, ...recorded, revocations, countNotified };
};

/** Lets queued records be written. */
const settle = () => jest.advanceTimersByTimeAsync(0);

describe('find', () => {
  it('throws before the Revocations are loaded', () => {
    const { revocations } = startTestWatch();
    expect(revocations.isCurrent()).toBe(false);
    expect(() => revocations.find(run)).toThrow(
      expect.objectContaining({ code: 'revocations_unavailable' }),
    );
  });

  it('returns the Revocation that names the run, and no other', () => {
    const { revocations, sendState } = startTestWatch();
    sendState(buildStoredRevocation('other', { namespace: 'other' }));
    expect(revocations.find(run)).toBeUndefined();
    sendState(buildStoredRevocation('one', { namespace: 'research' }));
    expect(revocations.find(run)?.name).toBe('one');
    sendState();
    expect(revocations.find(run)).toBeUndefined();
  });

  it('ignores a Revocation past its until', () => {
    const { revocations, sendState, advanceTime } = startTestWatch();
    sendState(
      buildStoredRevocation('one', { all: true, until: new Date(NOON + 5_000).toISOString() }),
    );
    expect(revocations.find(run)?.name).toBe('one');
    advanceTime(5_000);
    expect(revocations.find(run)).toBeUndefined();
  });

  it('throws after a minute without an update of the watch', () => {
    const { revocations, sync, sendState, advanceTime } = startTestWatch();
    sendState();
    advanceTime(60_000);
    expect(revocations.find(run)).toBeUndefined();
    expect(sync.ageSeconds()).toBe(60);
    advanceTime(1);
    expect(revocations.isCurrent()).toBe(false);
    expect(() => revocations.find(run)).toThrow(/expected an update within 60 s/);
    sendState();
    expect(revocations.find(run)).toBeUndefined();
  });

  it('throws while there is an invalid Revocation, and names it', () => {
    const { revocations, sendState } = startTestWatch();
    const unreadable = buildStoredRevocation('odd', {});
    sendState(unreadable);
    expect(() => revocations.find(run)).toThrow(/revocations\/odd spec: expected exactly one of/);
    sendState();
    expect(revocations.find(run)).toBeUndefined();
  });
});

describe('subscribe', () => {
  it('notifies listeners of each change immediately', () => {
    const { sendState, countNotified } = startTestWatch();
    sendState();
    sendState(buildStoredRevocation('one', { all: true }));
    expect(countNotified()).toBe(2);
  });

  it('notifies listeners when an until passes, also the second of two', async () => {
    const { revocations, sendState, countNotified, advanceTime } = startTestWatch();
    const until = (ms: number) => new Date(NOON + ms).toISOString();
    sendState(
      buildStoredRevocation('later', { all: true, until: until(9_000) }),
      buildStoredRevocation('soon', { namespace: 'research', until: until(4_000) }),
    );
    advanceTime(4_000);
    await jest.advanceTimersByTimeAsync(4_000);
    expect(countNotified()).toBe(2);
    advanceTime(5_000);
    await jest.advanceTimersByTimeAsync(5_000);
    expect(countNotified()).toBe(3);
    expect(revocations.find(run)).toBeUndefined();
  });

  it('does not notify listeners of the until of a deleted Revocation', async () => {
    const { sendState, countNotified, advanceTime } = startTestWatch();
    sendState(
      buildStoredRevocation('one', { all: true, until: new Date(NOON + 4_000).toISOString() }),
    );
    sendState();
    advanceTime(4_000);
    await jest.advanceTimersByTimeAsync(4_000);
    expect(countNotified()).toBe(2);
  });

  it('waits for an until beyond the maximum timer delay', async () => {
    const { sendState, countNotified } = startTestWatch();
    sendState(buildStoredRevocation('one', { all: true, until: '2099-01-01T00:00:00Z' }));
    await jest.advanceTimersByTimeAsync(1_000);
    expect(countNotified()).toBe(1);
  });
});

describe('the audit records', () => {
  it('contain each new Revocation once', async () => {
    const { sendState, events } = startTestWatch();
    sendState();
    const one = buildStoredRevocation('one', { all: true });
    sendState(one);
    sendState(one, buildStoredRevocation('two', { namespace: 'a' }));
    await settle();
    expect(events.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['revocation.observed', 'one'],
      ['revocation.observed', 'two'],
    ]);
  });

  it('wait for a disk that fails, while the Revocation is effective', async () => {
    const events: AuditEvent[] = [];
    let isBroken = true;
    const { revocations, sendState, failures } = startTestWatch((event) => {
      if (isBroken) return Promise.reject(new AuditError('disk_full', 'full'));
      events.push(event);
      return Promise.resolve();
    });
    sendState();
    sendState(buildStoredRevocation('one', { all: true }));
    await settle();
    expect(revocations.find(run)?.name).toBe('one');
    expect(failures).toEqual(['observed change not recorded yet']);
    isBroken = false;
    await jest.advanceTimersByTimeAsync(1_000);
    expect(events.map(({ subject }) => subject)).toEqual(['one']);
  });
});

describe('after a restore of the store from an older snapshot', () => {
  const older = buildStoredRevocation('older', { namespace: 'other' });
  const lost = buildStoredRevocation('lost', { namespace: 'research' });
  const restoreWithout = async (...before: object[]) => {
    const started = startTestWatch();
    started.sendState(older, ...before);
    await settle();
    started.sendRestoredState(older);
    await settle();
    return started;
  };
  const spec = {
    namespace: 'research',
    by: 'authority',
    reason: 'incident 7 (revoked by ann@example.com, lost by a restore of the cluster)',
  };

  it('a lost Revocation stays in force and is created again', async () => {
    const { revocations, created, losses } = await restoreWithout(lost);
    expect(revocations.find(run)?.name).toBe('restored-uid-lost');
    expect(created).toEqual([{ name: 'restored-uid-lost', spec }]);
    expect(losses).toEqual([1]);
  });

  it('a Revocation that was created again is lifted by its deletion', async () => {
    const { revocations, sendState } = await restoreWithout(lost);
    sendState(older, buildStoredRevocation('restored-uid-lost', spec));
    expect(revocations.index().all.map(({ name }) => name)).toEqual(['older', 'restored-uid-lost']);
    sendState(older);
    expect(revocations.find(run)).toBeUndefined();
  });

  it('the published end of a run is created again as it was', async () => {
    const end = { run: 'abc', reason: 'completed', by: 'authority' };
    const { created } = await restoreWithout(buildStoredRevocation('run-abc', end));
    expect(created).toEqual([{ name: 'run-abc', spec: end }]);
  });

  it('a Revocation that has no more effect is not created again', async () => {
    const until = new Date(NOON + 1_000).toISOString();
    const started = startTestWatch();
    started.sendState(buildStoredRevocation('past', { all: true, until }));
    started.advanceTime(2 * 3_600_000);
    started.sendRestoredState();
    await settle();
    expect(started.created).toEqual([]);
    expect(started.losses).toEqual([]);
  });

  it('a Revocation that was deleted while the store continued stays deleted', async () => {
    const { revocations, created, sendState } = startTestWatch();
    sendState(lost);
    sendState();
    await settle();
    expect(revocations.find(run)).toBeUndefined();
    expect(created).toEqual([]);
  });

  it('is created again when the API server accepts it, and is in force until then', async () => {
    const watching = createFakeWatch();
    let isRefused = true;
    const created: string[] = [];
    const revocations = watchRevocations({
      ...watching,
      by: 'authority',
      memory: { remembered: undefined, remember: () => undefined },
      record: () => Promise.resolve(),
      onCount: () => undefined,
      create: (name) =>
        isRefused ? Promise.reject(new Error('denied')) : Promise.resolve(void created.push(name)),
      maxLifetimeSeconds: 3600,
      onLost: () => undefined,
    });
    watching.sendState(lost);
    watching.sendRestoredState();
    await settle();
    expect(watching.failures).toEqual(['lost Revocation not created again']);
    expect(revocations.find(run)?.name).toBe('restored-uid-lost');
    isRefused = false;
    await jest.advanceTimersByTimeAsync(1_000);
    expect(created).toEqual(['restored-uid-lost']);
    revocations.stop();
  });
});

describe('what a replica remembers', () => {
  const one = buildStoredRevocation('one', { namespace: 'research' });
  const remembered = {
    version: '7',
    revocations: [buildRevocation('one', { namespace: 'research' })],
  };

  it('is each state with the version of the store, and that version every ten seconds', () => {
    const { sendState, sendSync, advanceTime, memories } = startTestWatch();
    sendState(one);
    expect(memories).toEqual([{ ...remembered, version: '8' }]);
    advanceTime(9_999);
    sendSync('9');
    expect(memories).toHaveLength(1);
    advanceTime(1);
    sendSync('10');
    expect(memories.at(-1)).toEqual({ ...remembered, version: '10' });
  });

  it('is in force and is created again at the next start, if the store was restored meanwhile', async () => {
    const { revocations, sendRestoredState, lastVersion, created } = startTestWatch(
      undefined,
      remembered,
    );
    expect(lastVersion()).toBe('7');
    expect(revocations.listInForce()).toEqual(remembered.revocations);
    expect(() => revocations.find(run)).toThrow(/got no list yet/);
    sendRestoredState();
    await settle();
    expect(revocations.find(run)?.name).toBe('restored-uid-one');
    expect(created.map(({ name }) => name)).toEqual(['restored-uid-one']);
  });

  it('is forgotten at the next start, if the store continued and the Revocation was deleted', async () => {
    const { revocations, sendState, created } = startTestWatch(undefined, remembered);
    sendState();
    await settle();
    expect(revocations.find(run)).toBeUndefined();
    expect(revocations.listInForce()).toEqual([]);
    expect(created).toEqual([]);
  });

  it('does not change until what was lost exists again', () => {
    const { sendState, sendRestoredState, advanceTime, sendSync, memories } = startTestWatch();
    sendState(one);
    advanceTime(60_000);
    sendSync('6');
    sendRestoredState();
    advanceTime(60_000);
    sendSync('7');
    expect(memories).toHaveLength(1);
    sendState(buildStoredRevocation('restored-uid-one', { namespace: 'research' }));
    expect(memories).toHaveLength(2);
  });
});

it('parses an unchanged Revocation only once', () => {
  const { sendState } = startTestWatch();
  let reads = 0;
  const { metadata, spec } = buildStoredRevocation('one', { all: true }) as Record<string, unknown>;
  const one = {
    metadata,
    get spec() {
      reads += 1;
      return spec;
    },
  };
  sendState(one);
  sendState(one, buildStoredRevocation('two', { all: true }));
  expect(reads).toBe(1);
});

it('reports a watch that fails, and stops all timers', () => {
  const { revocations, fail, failures, isWatched, counts, sendState } = startTestWatch();
  sendState(buildStoredRevocation('one', { all: true, until: '2099-01-01T00:00:00Z' }));
  expect(counts).toEqual([1]);
  fail();
  expect(failures).toEqual(['revocation watch disconnected']);
  revocations.stop();
  expect(isWatched()).toBe(false);
  expect(jest.getTimerCount()).toBe(0);
});
