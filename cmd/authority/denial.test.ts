import { createHash } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

import type { AuditEvent } from '../../lib/audit/record.ts';
import type { RevocationSpec } from '../../lib/contract/authority.ts';
import { NOON, storedRevocation } from '../../lib/revocation/fixtures/revocations.ts';
import { openDenial, type DenialEdges } from './denial.ts';

const ROLE = 'arn:aws:iam::111122223333:role/agent-reports';
const OTHER = 'arn:aws:iam::111122223333:role/agent-other';

beforeEach(() => void jest.useFakeTimers({ now: NOON }));
afterEach(() => void jest.useRealTimers());

/** Leases that replicas of one test share, by role. */
const openLeases = () => {
  const held = new Map<string, { holder: symbol | undefined; note: string }>();
  let takes = 0;
  const lease = (role: string) => ({
    take: () => {
      takes += 1;
      const state = held.get(role) ?? { holder: undefined, note: '' };
      held.set(role, state);
      if (state.holder !== undefined) return Promise.resolve(undefined);
      const holder = (state.holder = Symbol('holder'));
      return Promise.resolve({
        note: state.note,
        until: performance.now() + 30_000,
        release: (note: string) => {
          if (state.holder === holder) Object.assign(state, { holder: undefined, note });
          return Promise.resolve();
        },
      });
    },
  });
  return { lease, held, takes: () => takes };
};

type Written = { readonly role: string; readonly policy: string | undefined; readonly at: number };

const openReplica = (
  edges: Partial<DenialEdges> = {},
  leases = openLeases(),
  stored: object[] = [],
) => {
  const written: Written[] = [];
  const events: AuditEvent[] = [];
  const failures: string[] = [];
  const lags: (number | undefined)[] = [];
  const created: [string, RevocationSpec][] = [];
  const denial = openDenial({
    roles: [ROLE],
    list: () => Promise.resolve({ items: [...stored] }),
    create: (name, spec) => {
      created.push([name, spec]);
      stored.push(storedRevocation(name, spec, Date.now()));
      return Promise.resolve('created');
    },
    lease: leases.lease,
    write: (role, policy) => Promise.resolve(void written.push({ role, policy, at: Date.now() })),
    by: 'authority',
    lifetimeCeilingSeconds: 3600,
    record: (event) => Promise.resolve(void events.push(event)),
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: () => 0.5,
    onFailure: (message, error) => failures.push(`${message}: ${(error as Error).message}`),
    onWritten: (_, lag) => lags.push(lag),
    ...edges,
  });
  opened.push(denial);
  return { denial, written, events, failures, lags, created, stored };
};
const opened: { readonly stop: () => void }[] = [];
afterEach(() => opened.splice(0).forEach((denial) => denial.stop()));

const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);

describe('the denial of ended runs', () => {
  test('is written whole at the start and each thirty seconds, removed where there is none', async () => {
    const { written, stored } = openReplica();
    await pass(1_000);
    expect(written.map(({ policy }) => policy)).toEqual([undefined]);
    stored.push(storedRevocation('one', { run: 'abc' }), storedRevocation('two', { run: 'def' }));
    await pass(31_000);
    expect(written).toHaveLength(2);
    expect(JSON.parse(written[1]?.policy ?? '')).toMatchObject({
      Statement: [{ Condition: { StringLike: { 'aws:userid': ['*@abc', '*@def'] } } }],
    });
  });

  test('follows a Revocation at once, and says how long it took', async () => {
    const { denial, written, stored, lags, events } = openReplica();
    await pass(5_000);
    stored.push(storedRevocation('one', { all: true }, Date.now() - 700));
    denial.wake();
    await pass(0);
    expect(written.at(-1)?.policy).toContain('aws:TokenIssueTime');
    expect(lags).toEqual([undefined, 0.7]);
    expect(events).toMatchObject([
      { kind: 'denial.written', subject: ROLE },
      { message: 'denied at the cloud: 1 Revocations, 0.7 s after the oldest new one' },
    ]);
  });

  test('is not recorded again while it stays the same', async () => {
    const { written, events } = openReplica();
    await pass(100_000);
    expect(written.length).toBeGreaterThan(2);
    expect(events).toHaveLength(1);
  });

  test('is written no more than once a second, and never misses the last Revocation', async () => {
    const { denial, written, stored } = openReplica();
    await pass(2_000);
    for (let n = 0; n < 40; n += 1) {
      stored.push(storedRevocation(`r${n}`, { run: `r${n}` }, Date.now()));
      denial.wake();
      await pass(100);
    }
    await pass(2_000);
    expect(written.length).toBeLessThan(9);
    expect(written.at(-1)?.policy).toContain('*@r39');
  });

  test('is of every role that opts in', async () => {
    const { written } = openReplica({ roles: [ROLE, OTHER] });
    await pass(0);
    expect(written.map(({ role }) => role)).toEqual([ROLE, OTHER]);
  });
});

describe('two replicas', () => {
  test('never write to one role at the same time, and both hear of each Revocation', async () => {
    const [leases, stored] = [openLeases(), [] as object[]];
    let [writing, most] = [0, 0];
    const policies: (string | undefined)[] = [];
    const write: DenialEdges['write'] = async (_, policy) => {
      most = Math.max(most, (writing += 1));
      await new Promise((resolve) => setTimeout(resolve, 300));
      policies.push(policy);
      writing -= 1;
    };
    const [one, two] = [1, 2].map(() => openReplica({ write }, leases, stored));
    await pass(3_000);
    for (let n = 0; n < 5; n += 1) {
      stored.push(storedRevocation(`r${n}`, { run: `r${n}` }, Date.now()));
      one?.denial.wake();
      two?.denial.wake();
      await pass(400);
    }
    await pass(5_000);
    expect(most).toBe(1);
    expect(policies.at(-1)).toContain('*@r4');
  });

  test('do not write the same again that the other wrote just now', async () => {
    const leases = openLeases();
    const one = openReplica({}, leases);
    await pass(1_000);
    const two = openReplica({}, leases);
    await pass(1_000);
    expect([one.written.length, two.written.length]).toEqual([1, 0]);
    expect(leases.takes()).toBe(2);
  });

  test('do not believe a note of the future, which a clock that is ahead wrote', async () => {
    const leases = openLeases();
    const digest = createHash('sha256').update('').digest('hex');
    leases.held.set(ROLE, { holder: undefined, note: `${digest} ${NOON + 20_000}` });
    const { written } = openReplica({}, leases);
    await pass(0);
    expect(written).toHaveLength(1);
  });

  test('write, one of them, each half minute or so', async () => {
    const leases = openLeases();
    const replicas = [openReplica({}, leases), openReplica({}, leases)];
    await pass(300_000);
    const times = replicas.flatMap(({ written }) => written.map(({ at }) => at)).sort();
    expect(times.length).toBeGreaterThan(8);
    expect(times.length).toBeLessThan(14);
  });
});

describe('what goes wrong', () => {
  test('is told, and tried again later each time', async () => {
    let tries = 0;
    const { failures } = openReplica({
      write: () => {
        tries += 1;
        return Promise.reject(new Error('Throttling'));
      },
    });
    await pass(7_500);
    expect(tries).toBe(3);
    expect(failures[0]).toBe('ended runs not denied at the cloud: Throttling');
  });

  test('gives the lease back', async () => {
    const leases = openLeases();
    openReplica({ list: () => Promise.reject(new Error('no answer')) }, leases);
    await pass(0);
    expect(leases.held.get(ROLE)?.holder).toBeUndefined();
  });

  test('with one Revocation is told, and the others are denied', async () => {
    const stored = [storedRevocation('odd', {}), storedRevocation('one', { run: 'abc' })];
    const { written, failures } = openReplica({}, openLeases(), stored);
    await pass(0);
    expect(written[0]?.policy).toContain('*@abc');
    expect(failures[0]).toContain('a Revocation cannot be read: revocations/odd spec:');
  });

  test('for want of room is told with how many', async () => {
    const stored = Array.from({ length: 1000 }, (_, n) =>
      storedRevocation(`r${n}`, { run: `run-number-${n}` }),
    );
    const { written, failures } = openReplica({}, openLeases(), stored);
    await pass(0);
    expect(written[0]?.policy?.length).toBeLessThanOrEqual(10_240);
    expect(failures[0]).toMatch(/no room to deny \d+ runs, which end by their deadlines/);
  });

  test('with a write that never ends is told after ten seconds, and tried again', async () => {
    let tries = 0;
    const signals: AbortSignal[] = [];
    const { failures } = openReplica({
      write: (_role, _policy, signal) => {
        tries += 1;
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    await pass(12_000);
    expect(failures[0]).toContain('expected an end within 10000 ms, got none');
    expect(signals[0]?.aborted).toBe(true);
    expect(tries).toBe(2);
  });

  test('with the time: a write that could meet the next holder is not begun', async () => {
    const leases = openLeases();
    const { written, failures } = openReplica(
      {
        list: async () => {
          await new Promise((resolve) => setTimeout(resolve, 21_000));
          return { items: [] };
        },
      },
      leases,
    );
    await pass(21_000);
    expect(written).toEqual([]);
    expect(failures[0]).toContain('expected to write while the lease is held');
  });
});

describe('a run that ended', () => {
  test('of a role that opts in is told to everybody and denied at the cloud', async () => {
    const { denial, created, written } = openReplica();
    await pass(2_000);
    await denial.runEnded({ run: 'abc', end: 'completed', roles: [OTHER, ROLE] });
    await pass(0);
    expect(created).toEqual([['run-abc', { run: 'abc', reason: 'completed', by: 'authority' }]]);
    expect(written.at(-1)?.policy).toContain('*@abc');
  });

  test('of another role is told to nobody', async () => {
    const { denial, created } = openReplica();
    await denial.runEnded({ run: 'abc', end: 'completed', roles: [OTHER] });
    expect(created).toEqual([]);
  });

  test('that nobody could be told of is an error', async () => {
    const { denial } = openReplica({ create: () => Promise.reject(new Error('no answer')) });
    const ended = denial.runEnded({ run: 'abc', end: 'completed', roles: [ROLE] });
    await expect(ended).rejects.toThrow('no answer');
  });
});
