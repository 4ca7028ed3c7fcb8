import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

import { AuditError, type AuditEvent } from '../../lib/audit/record.ts';
import { NOON, storedRevocation } from '../../lib/revocation/fixtures/revocations.ts';
import { fakeWatching } from './fixtures/watching.ts';
import { openRevocations } from './revocations.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const run = {
  namespace: 'research',
  serviceAccount: 'agent',
  pod: 'agent-0',
  podUid: 'u-0',
  task: 'summarize',
};

const open = (record?: (event: AuditEvent) => Promise<void>) => {
  const watching = fakeWatching();
  const events: AuditEvent[] = [];
  const counts: number[] = [];
  let told = 0;
  const revocations = openRevocations({
    ...watching,
    by: 'authority',
    record: record ?? ((event) => Promise.resolve(void events.push(event))),
    onCount: (count) => counts.push(count),
  });
  revocations.subscribe(() => (told += 1));
  return { ...watching, revocations, events, counts, told: () => told };
};

/** Lets what is recorded later be recorded. */
const settle = () => jest.advanceTimersByTimeAsync(0);

describe('a new run', () => {
  test('is not answered before the Revocations are known', () => {
    const { revocations } = open();
    expect(revocations.isCurrent()).toBe(false);
    expect(() => revocations.find(run)).toThrow(
      expect.objectContaining({ code: 'revocations_unavailable' }),
    );
  });

  test('is kept from starting by the Revocation that names it, and by no other', () => {
    const { revocations, tell } = open();
    tell(storedRevocation('other', { namespace: 'other' }));
    expect(revocations.find(run)).toBeUndefined();
    tell(storedRevocation('one', { namespace: 'research' }));
    expect(revocations.find(run)?.name).toBe('one');
    tell();
    expect(revocations.find(run)).toBeUndefined();
  });

  test('starts again when the Revocation is past its end', () => {
    const { revocations, tell, pass } = open();
    tell(storedRevocation('one', { all: true, until: new Date(NOON + 5_000).toISOString() }));
    expect(revocations.find(run)?.name).toBe('one');
    pass(5_000);
    expect(revocations.find(run)).toBeUndefined();
  });

  test('is not answered once the watch was silent for a minute', () => {
    const { revocations, tell, pass } = open();
    tell();
    pass(60_000);
    expect(revocations.find(run)).toBeUndefined();
    expect(revocations.ageSeconds()).toBe(60);
    pass(1);
    expect(revocations.isCurrent()).toBe(false);
    expect(() => revocations.find(run)).toThrow(/expected word within 60 s/);
    tell();
    expect(revocations.find(run)).toBeUndefined();
  });

  test('is not answered while a Revocation stands that nobody can read, named in the error', () => {
    const { revocations, tell } = open();
    const unreadable = storedRevocation('odd', {});
    tell(unreadable);
    expect(() => revocations.find(run)).toThrow(/revocations\/odd spec: expected exactly one of/);
    tell();
    expect(revocations.find(run)).toBeUndefined();
  });
});

describe('whoever listens', () => {
  test('is told of each change, at once', () => {
    const { tell, told } = open();
    tell();
    tell(storedRevocation('one', { all: true }));
    expect(told()).toBe(2);
  });

  test('is told when an end passes, also the second of two', async () => {
    const { revocations, tell, told, pass } = open();
    const until = (ms: number) => new Date(NOON + ms).toISOString();
    tell(
      storedRevocation('later', { all: true, until: until(9_000) }),
      storedRevocation('soon', { namespace: 'research', until: until(4_000) }),
    );
    pass(4_000);
    await jest.advanceTimersByTimeAsync(4_000);
    expect(told()).toBe(2);
    pass(5_000);
    await jest.advanceTimersByTimeAsync(5_000);
    expect(told()).toBe(3);
    expect(revocations.find(run)).toBeUndefined();
  });

  test('is not told of the end of what was lifted before', async () => {
    const { tell, told, pass } = open();
    tell(storedRevocation('one', { all: true, until: new Date(NOON + 4_000).toISOString() }));
    tell();
    pass(4_000);
    await jest.advanceTimersByTimeAsync(4_000);
    expect(told()).toBe(2);
  });

  test('waits for a far end without being told at once', async () => {
    const { tell, told } = open();
    tell(storedRevocation('one', { all: true, until: '2099-01-01T00:00:00Z' }));
    await jest.advanceTimersByTimeAsync(1_000);
    expect(told()).toBe(1);
  });
});

describe('the records', () => {
  test('hold each new Revocation once', async () => {
    const { tell, events } = open();
    tell();
    const one = storedRevocation('one', { all: true });
    tell(one);
    tell(one, storedRevocation('two', { namespace: 'a' }));
    await settle();
    expect(events.map(({ kind, subject }) => [kind, subject])).toEqual([
      ['revocation.observed', 'one'],
      ['revocation.observed', 'two'],
    ]);
  });

  test('wait for a disk that fails, and the Revocation does not', async () => {
    const events: AuditEvent[] = [];
    let isBroken = true;
    const { revocations, tell, failures } = open((event) => {
      if (isBroken) return Promise.reject(new AuditError('disk_full', 'full'));
      events.push(event);
      return Promise.resolve();
    });
    tell();
    tell(storedRevocation('one', { all: true }));
    await settle();
    expect(revocations.find(run)?.name).toBe('one');
    expect(failures).toEqual(['what was observed is not on record yet']);
    isBroken = false;
    await jest.advanceTimersByTimeAsync(1_000);
    expect(events.map(({ subject }) => subject)).toEqual(['one']);
  });
});

test('a Revocation is read once, however often it is told', () => {
  const { tell } = open();
  let reads = 0;
  const { metadata, spec } = storedRevocation('one', { all: true }) as Record<string, unknown>;
  const one = {
    metadata,
    get spec() {
      reads += 1;
      return spec;
    },
  };
  tell(one);
  tell(one, storedRevocation('two', { all: true }));
  expect(reads).toBe(1);
});

test('a watch that fails is told of, and everything ends when it is stopped', () => {
  const { revocations, fail, failures, isWatched, counts, tell } = open();
  tell(storedRevocation('one', { all: true, until: '2099-01-01T00:00:00Z' }));
  expect(counts).toEqual([1]);
  fail();
  expect(failures).toEqual(['watch of revocations failed']);
  revocations.stop();
  expect(isWatched()).toBe(false);
  expect(jest.getTimerCount()).toBe(0);
});
