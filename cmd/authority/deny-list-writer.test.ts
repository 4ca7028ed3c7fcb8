import { createHash } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import type { RevocationSpec } from '../../lib/contract/authority-api.ts';
import {
  NOON,
  buildRevocation,
  buildStoredRevocation,
} from '../../lib/revocation/fixtures/revocation-objects.ts';
import { startDenyListWriter, type DenyListWriterDeps } from './deny-list-writer.ts';

const ROLE = 'arn:aws:iam::111122223333:role/agent-reports';
const OTHER = 'arn:aws:iam::111122223333:role/agent-other';

beforeEach(() => void jest.useFakeTimers({ now: NOON }));
afterEach(() => void jest.useRealTimers());

/** Leases that the replicas of one test share, by role. */
const createLeases = () => {
  const states = new Map<string, { holder: symbol | undefined; note: string }>();
  let takes = 0;
  const lease = (role: string) => ({
    acquire: () => {
      takes += 1;
      const state = states.get(role) ?? { holder: undefined, note: '' };
      states.set(role, state);
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
  return { lease, held: states, takes: () => takes };
};

type Written = { readonly role: string; readonly policy: string | undefined; readonly at: number };

const startReplica = (
  edges: Partial<DenyListWriterDeps> = {},
  leases = createLeases(),
  stored: object[] = [],
) => {
  const written: Written[] = [];
  const events: AuditEvent[] = [];
  const failures: string[] = [];
  const lags: (number | undefined)[] = [];
  const created: [string, RevocationSpec][] = [];
  const writer = startDenyListWriter({
    roles: [ROLE],
    list: () => Promise.resolve({ items: [...stored] }),
    listInForce: () => [],
    create: (name, spec) => {
      created.push([name, spec]);
      stored.push(buildStoredRevocation(name, spec, Date.now()));
      return Promise.resolve('created');
    },
    lease: leases.lease,
    write: (role, policy) => Promise.resolve(void written.push({ role, policy, at: Date.now() })),
    by: 'authority',
    maxLifetimeSeconds: 3600,
    record: (event) => Promise.resolve(void events.push(event)),
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: () => 0.5,
    onFailure: (message, error) => failures.push(`${message}: ${(error as Error).message}`),
    onWritten: (_, lag) => lags.push(lag),
    ...edges,
  });
  started.push(writer);
  return { writer, written, events, failures, lags, created, stored };
};
const started: { readonly stop: () => void }[] = [];
afterEach(() => started.splice(0).forEach((writer) => writer.stop()));

const advanceTime = (ms: number) => jest.advanceTimersByTimeAsync(ms);

describe('startDenyListWriter', () => {
  it('writes the complete deny list at the start and every 30 s, and removes an empty one', async () => {
    const { written, stored } = startReplica();
    await advanceTime(1_000);
    expect(written.map(({ policy }) => policy)).toEqual([undefined]);
    stored.push(
      buildStoredRevocation('one', { run: 'abc' }),
      buildStoredRevocation('two', { run: 'def' }),
    );
    await advanceTime(31_000);
    expect(written).toHaveLength(2);
    expect(JSON.parse(written[1]?.policy ?? '')).toMatchObject({
      Statement: [{ Condition: { StringLike: { 'aws:userid': ['*@abc', '*@def'] } } }],
    });
  });

  it('keeps a Revocation in force that a restored store lacks', async () => {
    const inForce = [buildRevocation('one', { run: 'abc' })];
    const { written, stored, writer } = startReplica({ listInForce: () => inForce });
    stored.push(buildStoredRevocation('one', { run: 'abc' }));
    await advanceTime(1_000);
    stored.length = 0;
    writer.wake();
    await advanceTime(2_000);
    inForce.length = 0;
    writer.wake();
    await advanceTime(2_000);
    const policies = written.map(({ policy }) => policy?.includes('*@abc') ?? false);
    expect(policies).toEqual([true, false]);
  });

  it('writes a new Revocation immediately, and reports the delay', async () => {
    const { writer, written, stored, lags, events } = startReplica();
    await advanceTime(5_000);
    stored.push(buildStoredRevocation('one', { all: true }, Date.now() - 700));
    writer.wake();
    await advanceTime(0);
    expect(written.at(-1)?.policy).toContain('aws:TokenIssueTime');
    expect(lags).toEqual([undefined, 0.7]);
    expect(events).toMatchObject([
      { kind: 'deny_list.updated', subject: ROLE },
      { message: 'denied at the cloud: 1 Revocations, 0.7 s after the oldest new one' },
    ]);
  });

  it('writes what fits of too many Revocations, and reports how many are left out', async () => {
    const pods = Array.from({ length: 1_000 }, (_, index) => {
      const name = `agent-${index}-7d4b9c6f5d-x2x4z`;
      return buildStoredRevocation(`pod-${index}`, { pod: { namespace: 'crowded', name } });
    });
    const other = buildStoredRevocation('other', { pod: { namespace: 'quiet', name: 'agent' } });
    const { written, failures, events } = startReplica({}, createLeases(), [...pods, other]);
    await advanceTime(0);
    expect(written[0]?.policy).toContain('"*:agent@*"');
    const omitted = /(\d+) pods, tasks or namespaces/;
    const [, count] = omitted.exec(failures[0] ?? '') ?? [];
    expect(Number(count)).toBeGreaterThan(500);
    expect(failures[0]).toContain('deny list is full');
    expect(events[0]?.message).toContain(`no space for ${count ?? ''} pods`);
  });

  it('records a deny list once until it changes', async () => {
    const { written, events } = startReplica();
    await advanceTime(100_000);
    expect(written.length).toBeGreaterThan(2);
    expect(events).toHaveLength(1);
  });

  it('writes at most once per second, including the last Revocation', async () => {
    const { writer, written, stored } = startReplica();
    await advanceTime(2_000);
    for (let n = 0; n < 40; n += 1) {
      stored.push(buildStoredRevocation(`r${n}`, { run: `r${n}` }, Date.now()));
      writer.wake();
      await advanceTime(100);
    }
    await advanceTime(2_000);
    expect(written.length).toBeLessThan(9);
    expect(written.at(-1)?.policy).toContain('*@r39');
  });

  it('writes to every role that opts in', async () => {
    const { written } = startReplica({ roles: [ROLE, OTHER] });
    await advanceTime(0);
    expect(written.map(({ role }) => role)).toEqual([ROLE, OTHER]);
  });
});

describe('two replicas', () => {
  it('never write to one role at the same time, and both observe each Revocation', async () => {
    const [leases, stored] = [createLeases(), [] as object[]];
    let [writing, most] = [0, 0];
    const policies: (string | undefined)[] = [];
    const write: DenyListWriterDeps['write'] = async (_, policy) => {
      most = Math.max(most, (writing += 1));
      await new Promise((resolve) => setTimeout(resolve, 300));
      policies.push(policy);
      writing -= 1;
    };
    const [one, two] = [1, 2].map(() => startReplica({ write }, leases, stored));
    await advanceTime(3_000);
    for (let n = 0; n < 5; n += 1) {
      stored.push(buildStoredRevocation(`r${n}`, { run: `r${n}` }, Date.now()));
      one?.writer.wake();
      two?.writer.wake();
      await advanceTime(400);
    }
    await advanceTime(5_000);
    expect(most).toBe(1);
    expect(policies.at(-1)).toContain('*@r4');
  });

  it('do not repeat a recent write of the other replica', async () => {
    const leases = createLeases();
    const one = startReplica({}, leases);
    await advanceTime(1_000);
    const two = startReplica({}, leases);
    await advanceTime(1_000);
    expect([one.written.length, two.written.length]).toEqual([1, 0]);
    expect(leases.takes()).toBe(2);
  });

  it('ignore a note from the future, written by a clock that is ahead', async () => {
    const leases = createLeases();
    const digest = createHash('sha256').update('').digest('hex');
    leases.held.set(ROLE, { holder: undefined, note: `${digest} ${NOON + 20_000}` });
    const { written } = startReplica({}, leases);
    await advanceTime(0);
    expect(written).toHaveLength(1);
  });

  it('write about every 30 s, one of them each time', async () => {
    const leases = createLeases();
    const replicas = [startReplica({}, leases), startReplica({}, leases)];
    await advanceTime(300_000);
    const times = replicas.flatMap(({ written }) => written.map(({ at }) => at)).sort();
    expect(times.length).toBeGreaterThan(8);
    expect(times.length).toBeLessThan(14);
  });
});

describe('a failure', () => {
  it('is reported, and retried with backoff', async () => {
    let tries = 0;
    const { failures } = startReplica({
      write: () => {
        tries += 1;
        return Promise.reject(new Error('Throttling'));
      },
    });
    await advanceTime(7_500);
    expect(tries).toBe(3);
    expect(failures[0]).toBe('deny list not written: Throttling');
  });

  it('releases the Lease', async () => {
    const leases = createLeases();
    startReplica({ list: () => Promise.reject(new Error('no answer')) }, leases);
    await advanceTime(0);
    expect(leases.held.get(ROLE)?.holder).toBeUndefined();
  });

  it('of one invalid Revocation is reported, and the others are denied', async () => {
    const stored = [buildStoredRevocation('odd', {}), buildStoredRevocation('one', { run: 'abc' })];
    const { written, failures } = startReplica({}, createLeases(), stored);
    await advanceTime(0);
    expect(written[0]?.policy).toContain('*@abc');
    expect(failures[0]).toContain('invalid Revocation: revocations/odd spec:');
  });

  it('because the policy is full is reported with the number of omitted runs', async () => {
    const stored = Array.from({ length: 1000 }, (_, n) =>
      buildStoredRevocation(`r${n}`, { run: `run-number-${n}` }),
    );
    const { written, failures } = startReplica({}, createLeases(), stored);
    await advanceTime(0);
    expect(written[0]?.policy?.length).toBeLessThanOrEqual(10_240);
    expect(failures[0]).toMatch(
      /the policy is full; \d+ runs are not denied and end at their deadlines/,
    );
  });

  it('of a write that never ends is reported after ten seconds, and retried', async () => {
    let tries = 0;
    const signals: AbortSignal[] = [];
    const { failures } = startReplica({
      write: (_role, _policy, signal) => {
        tries += 1;
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    await advanceTime(12_000);
    expect(failures[0]).toContain('expected to finish within 10000 ms, timed out');
    expect(signals[0]?.aborted).toBe(true);
    expect(tries).toBe(2);
  });

  it('to get enough time: a write that could overlap with the next holder is not started', async () => {
    const leases = createLeases();
    const { written, failures } = startReplica(
      {
        list: async () => {
          await new Promise((resolve) => setTimeout(resolve, 21_000));
          return { items: [] };
        },
      },
      leases,
    );
    await advanceTime(21_000);
    expect(written).toEqual([]);
    expect(failures[0]).toContain('expected time to write while the Lease is held');
  });
});

describe('publishRunEnd', () => {
  it('creates a Revocation and denies the session at the cloud for a role that opts in', async () => {
    const { writer, created, written } = startReplica();
    await advanceTime(2_000);
    await writer.publishRunEnd({ run: 'abc', end: 'completed' });
    await advanceTime(0);
    expect(created).toEqual([['run-abc', { run: 'abc', reason: 'completed', by: 'authority' }]]);
    expect(written.at(-1)?.policy).toContain('*@abc');
  });

  it('throws if the Revocation cannot be created', async () => {
    const { writer } = startReplica({ create: () => Promise.reject(new Error('no answer')) });
    const ended = writer.publishRunEnd({ run: 'abc', end: 'completed' });
    await expect(ended).rejects.toThrow('no answer');
  });
});
