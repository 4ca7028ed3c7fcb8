import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

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

/** Lets what is recorded later be recorded. */
const settle = () => jest.advanceTimersByTimeAsync(0);

describe('a new run', () => {
  test('is not answered before the Revocations are known', () => {
    const { revocations } = startTestWatch();
    expect(revocations.isCurrent()).toBe(false);
    expect(() => revocations.find(run)).toThrow(
      expect.objectContaining({ code: 'revocations_unavailable' }),
    );
  });

  test('is kept from starting by the Revocation that names it, and by no other', () => {
    const { revocations, sendState } = startTestWatch();
    sendState(buildStoredRevocation('other', { namespace: 'other' }));
    expect(revocations.find(run)).toBeUndefined();
    sendState(buildStoredRevocation('one', { namespace: 'research' }));
    expect(revocations.find(run)?.name).toBe('one');
    sendState();
    expect(revocations.find(run)).toBeUndefined();
  });

  test('starts again when the Revocation is past its end', () => {
    const { revocations, sendState, advanceTime } = startTestWatch();
    sendState(
      buildStoredRevocation('one', { all: true, until: new Date(NOON + 5_000).toISOString() }),
    );
    expect(revocations.find(run)?.name).toBe('one');
    advanceTime(5_000);
    expect(revocations.find(run)).toBeUndefined();
  });

  test('is not answered once the watch was silent for a minute', () => {
    const { revocations, sync, sendState, advanceTime } = startTestWatch();
    sendState();
    advanceTime(60_000);
    expect(revocations.find(run)).toBeUndefined();
    expect(sync.ageSeconds()).toBe(60);
    advanceTime(1);
    expect(revocations.isCurrent()).toBe(false);
    expect(() => revocations.find(run)).toThrow(/expected word within 60 s/);
    sendState();
    expect(revocations.find(run)).toBeUndefined();
  });

  test('is not answered while a Revocation stands that nobody can read, named in the error', () => {
    const { revocations, sendState } = startTestWatch();
    const unreadable = buildStoredRevocation('odd', {});
    sendState(unreadable);
    expect(() => revocations.find(run)).toThrow(/revocations\/odd spec: expected exactly one of/);
    sendState();
    expect(revocations.find(run)).toBeUndefined();
  });
});

describe('whoever listens', () => {
  test('is told of each change, at once', () => {
    const { sendState, countNotified } = startTestWatch();
    sendState();
    sendState(buildStoredRevocation('one', { all: true }));
    expect(countNotified()).toBe(2);
  });

  test('is told when an end passes, also the second of two', async () => {
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

  test('is not told of the end of what was lifted before', async () => {
    const { sendState, countNotified, advanceTime } = startTestWatch();
    sendState(
      buildStoredRevocation('one', { all: true, until: new Date(NOON + 4_000).toISOString() }),
    );
    sendState();
    advanceTime(4_000);
    await jest.advanceTimersByTimeAsync(4_000);
    expect(countNotified()).toBe(2);
  });

  test('waits for a far end without being told at once', async () => {
    const { sendState, countNotified } = startTestWatch();
    sendState(buildStoredRevocation('one', { all: true, until: '2099-01-01T00:00:00Z' }));
    await jest.advanceTimersByTimeAsync(1_000);
    expect(countNotified()).toBe(1);
  });
});

describe('the records', () => {
  test('hold each new Revocation once', async () => {
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

  test('wait for a disk that fails, and the Revocation does not', async () => {
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
    expect(failures).toEqual(['what was observed is not on record yet']);
    isBroken = false;
    await jest.advanceTimersByTimeAsync(1_000);
    expect(events.map(({ subject }) => subject)).toEqual(['one']);
  });
});

test('a Revocation is read once, however often it is told', () => {
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

test('a watch that fails is told of, and everything ends when it is stopped', () => {
  const { revocations, fail, failures, isWatched, counts, sendState } = startTestWatch();
  sendState(buildStoredRevocation('one', { all: true, until: '2099-01-01T00:00:00Z' }));
  expect(counts).toEqual([1]);
  fail();
  expect(failures).toEqual(['watch of revocations failed']);
  revocations.stop();
  expect(isWatched()).toBe(false);
  expect(jest.getTimerCount()).toBe(0);
});
