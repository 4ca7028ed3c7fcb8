import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { AuditError, type AuditEvent } from '../../lib/audit/audit-event.ts';
import { NOON, buildStoredRevocation } from '../../lib/revocation/fixtures/revocation-objects.ts';
import { createFakeWatch } from './fixtures/fake-watch.ts';
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

const startTestWatch = (record?: (event: AuditEvent) => Promise<void>) => {
  const watching = createFakeWatch();
  const events: AuditEvent[] = [];
  const counts: number[] = [];
  let notified = 0;
  const revocations = watchRevocations({
    ...watching,
    by: 'authority',
    record: record ?? ((event) => Promise.resolve(void events.push(event))),
    onCount: (count) => counts.push(count),
  });
  revocations.subscribe(() => (notified += 1));
  return { ...watching, revocations, events, counts, countNotified: () => notified };
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
