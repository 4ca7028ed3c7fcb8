import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import type { PolicyText } from '../../lib/policy/policy-findings.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { createFakeWatch } from './fixtures/fake-watch.ts';
import { watchTaskPolicies, type TaskPoliciesDeps } from './task-policies.ts';
import type { StoredObject } from './stored-objects.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const buildPolicy = (
  name: string,
  cedar: unknown,
  change: object = {},
  status?: object,
): StoredObject => ({
  metadata: { name, uid: `uid-${name}`, resourceVersion: '7', generation: 1, ...change },
  spec: { cedar },
  ...(status && { status }),
});

/** Text that contains "bad" is invalid; the version is the concatenation of all texts. */
const compile = (set: readonly PolicyText[]): CompiledPolicies => ({
  version: set.map(({ cedar }) => cedar).join('|'),
  findings: set.map(({ name, cedar }) => ({
    name,
    policies: cedar.includes('bad') ? [] : [`${name}/0`],
    faults: cedar.includes('bad')
      ? [{ path: 'line 1, column 4', expected: '`permit` or `forbid`', got: 'bad', source: name }]
      : [],
    warnings: cedar.includes('odd') ? ['impossible policy'] : [],
  })),
  blockers: [],
  texts: {},
  withUnknowns: {},
  callForbids: {},
  approvals: {},
  exceptions: Object.fromEntries(
    set.flatMap(({ name, cedar }) =>
      cedar.includes('until')
        ? [[`${name}/0`, { until: '2027-01-31', reason: 'a client without support' }]]
        : [],
    ),
  ),
});

type Change = Parameters<TaskPoliciesDeps<CompiledPolicies>['writeStatus']>[0];

const startTestWatch = (edges: Partial<TaskPoliciesDeps<CompiledPolicies>> = {}) => {
  const watching = createFakeWatch<StoredObject>();
  const events: AuditEvent[] = [];
  const changes: Change[] = [];
  const counts: object[] = [];
  const ends: object[] = [];
  let compiled = 0;
  const policies = watchTaskPolicies({
    ...watching,
    compile: (set) => {
      compiled += 1;
      return compile(set);
    },
    writeStatus: (change) => {
      changes.push(change);
      return Promise.resolve('written');
    },
    record: (event) => Promise.resolve(void events.push(event)),
    staleAfterSeconds: 300,
    onCount: (count) => counts.push(count),
    onExceptions: (exceptions) => ends.push(exceptions),
    ...edges,
  });
  return { ...watching, policies, events, changes, counts, ends, compiled: () => compiled };
};

const settle = () => jest.advanceTimersByTimeAsync(0);
const unavailable = expect.objectContaining({ code: 'policy_unavailable' });

describe('watchTaskPolicies', () => {
  it('throws before the policies are loaded', () => {
    const { policies } = startTestWatch();
    expect(() => policies.current()).toThrow(unavailable);
    expect(policies.isCurrent()).toBe(false);
  });

  it('returns the complete current set', () => {
    const { policies, sendState, counts } = startTestWatch();
    sendState(buildPolicy('a', 'one'), buildPolicy('b', 'bad'));
    expect(policies.current().version).toBe('one|bad');
    expect(counts).toEqual([{ total: 2, invalid: 1 }]);
    sendState(buildPolicy('a', 'two', { generation: 2 }));
    expect(policies.current().version).toBe('two');
  });

  it('returns another text of the same generation, which a restored cluster may have', () => {
    const { policies, sendState } = startTestWatch();
    sendState(buildPolicy('a', 'one'));
    sendState(buildPolicy('a', 'two'));
    expect(policies.current().version).toBe('two');
  });

  it('reports the end of each exception, and none after it was removed', () => {
    const { sendState, ends } = startTestWatch();
    sendState(buildPolicy('a', 'one'), buildPolicy('b', 'until'));
    sendState(buildPolicy('a', 'one'));
    expect(ends).toEqual([[{ policy: 'b/0', endsAt: Date.UTC(2027, 1, 1) }], []]);
  });

  it('compiles a set once, regardless of changes to metadata', () => {
    const { sendState, compiled } = startTestWatch();
    sendState(buildPolicy('a', 'one'), buildPolicy('b', 'two'));
    sendState(buildPolicy('b', 'two', { resourceVersion: '8' }), buildPolicy('a', 'one'));
    expect(compiled()).toBe(1);
    sendState(buildPolicy('a', 'one', { uid: 'another' }), buildPolicy('b', 'two'));
    expect(compiled()).toBe(2);
  });

  it('throws while the policies are stale', () => {
    const { policies, sendState, advanceTime } = startTestWatch();
    sendState(buildPolicy('a', 'one'));
    advanceTime(300_000);
    expect(policies.current().version).toBe('one');
    advanceTime(1);
    expect(policies.isCurrent()).toBe(false);
    expect(() => policies.current()).toThrow(/expected an update within 300 s, got none for 300 s/);
    sendState(buildPolicy('a', 'one'));
    expect(policies.isCurrent()).toBe(true);
  });

  it('throws if the policies cannot be compiled, instead of keeping the previous set', () => {
    const { policies, sendState, failures } = startTestWatch({
      compile: (set) => {
        if (set.length > 1) throw new Error('Cedar failed');
        return compile(set);
      },
    });
    sendState(buildPolicy('a', 'one'));
    sendState(buildPolicy('a', 'one'), buildPolicy('b', 'two'));
    expect(() => policies.current()).toThrow(unavailable);
    expect(failures).toEqual(['policies not compiled: every run is denied']);
    sendState(buildPolicy('a', 'one'));
    expect(policies.current().version).toBe('one');
  });

  it('treats a policy without text as empty', () => {
    const { policies, sendState } = startTestWatch();
    sendState(buildPolicy('a', 7));
    expect(policies.current().version).toBe('');
  });
});

describe('the policy status', () => {
  const ready = (change: object) => ({
    type: 'Ready',
    status: 'True',
    reason: 'Valid',
    message: 'policies: a/0',
    observedGeneration: 1,
    lastTransitionTime: '2030-01-01T12:00:00.000Z',
    ...change,
  });

  it('of a valid policy contains the warnings of Cedar', async () => {
    const { sendState, changes } = startTestWatch();
    sendState(buildPolicy('a', 'odd'));
    await settle();
    const conditions = [ready({ message: 'policies: a/0\nimpossible policy' })];
    expect(changes).toEqual([{ name: 'a', resourceVersion: '7', status: { conditions } }]);
  });

  it('of an invalid policy contains the errors, and keeps foreign conditions', async () => {
    const { sendState, changes } = startTestWatch();
    const other = ready({ type: 'Reviewed' });
    sendState(buildPolicy('a', 'bad', { generation: 2 }, { conditions: [ready({}), other] }));
    await settle();
    expect(changes[0]?.status.conditions).toEqual([
      other,
      ready({
        status: 'False',
        reason: 'Invalid',
        message: 'a line 1, column 4: expected `permit` or `forbid`, got bad',
        observedGeneration: 2,
      }),
    ]);
  });

  it('is not written if it is unchanged', async () => {
    const { sendState, changes } = startTestWatch();
    sendState(
      buildPolicy('a', 'one', {}, { conditions: [ready({ lastTransitionTime: 'long ago' })] }),
    );
    await settle();
    expect(changes).toEqual([]);
  });

  it('keeps its transition time if a new text is as valid as the previous one', async () => {
    const { sendState, changes } = startTestWatch();
    const had = ready({ lastTransitionTime: '2029-01-01T00:00:00Z' });
    sendState(buildPolicy('a', 'two', { generation: 2 }, { conditions: [had] }));
    await settle();
    expect(changes[0]?.status.conditions).toEqual([{ ...had, observedGeneration: 2 }]);
  });

  it('is written once per generation, also if another version overwrites it', async () => {
    const { sendState, changes } = startTestWatch();
    sendState(buildPolicy('a', 'one'));
    await settle();
    const theirs = ready({ message: 'another view' });
    sendState(buildPolicy('a', 'one', { resourceVersion: '8' }, { conditions: [theirs] }));
    await settle();
    expect(changes).toHaveLength(1);
    sendState(buildPolicy('a', 'two', { generation: 2 }, { conditions: [theirs] }));
    await settle();
    expect(changes).toHaveLength(2);
  });

  it('is not retried after a conflict until the watch delivers the new version', async () => {
    const outcomes: ('conflict' | 'written')[] = ['conflict', 'written'];
    const names: string[] = [];
    const { sendState } = startTestWatch({
      writeStatus: ({ resourceVersion }) => {
        names.push(resourceVersion);
        return Promise.resolve(outcomes.shift() ?? 'written');
      },
    });
    sendState(buildPolicy('a', 'one'));
    await settle();
    sendState(buildPolicy('a', 'one', { resourceVersion: '8' }));
    await settle();
    expect(names).toEqual(['7', '8']);
  });

  it('is retried after a failure', async () => {
    let isBroken = true;
    const written: string[] = [];
    const { sendState, failures } = startTestWatch({
      writeStatus: ({ name }) => {
        if (isBroken) return Promise.reject(new Error('no answer'));
        written.push(name);
        return Promise.resolve('written');
      },
    });
    sendState(buildPolicy('a', 'one'));
    await settle();
    expect(failures).toEqual(['policy status not written']);
    isBroken = false;
    await jest.advanceTimersByTimeAsync(1_000);
    expect(written).toEqual(['a']);
  });
});

it('records each change, and one record for the set at the start of a replica', async () => {
  const { sendState, events } = startTestWatch();
  sendState(buildPolicy('a', 'one'), buildPolicy('b', 'two'));
  sendState(buildPolicy('a', 'bad', { generation: 2 }), buildPolicy('c', 'three'));
  await settle();
  expect(events.map(({ kind }) => kind)).toEqual(Array(4).fill('policy.changed'));
  expect(events.map(({ subject, message, decision }) => [subject, message, decision])).toEqual([
    [
      '*',
      '2 TaskPolicies at start',
      { outcome: 'valid', policies: ['a/0', 'b/0'], version: 'one|two' },
    ],
    ['a', 'applied, generation 2', { outcome: 'invalid', policies: [], version: 'bad|three' }],
    ['c', 'applied, generation 1', { outcome: 'valid', policies: ['c/0'], version: 'bad|three' }],
    ['b', 'removed', { outcome: 'valid', policies: [], version: 'bad|three' }],
  ]);
});

it('stops the watch and all timers', async () => {
  const { policies, sendState, isWatched } = startTestWatch();
  sendState(buildPolicy('a', 'one'));
  await settle();
  policies.stop();
  expect(isWatched()).toBe(false);
  expect(jest.getTimerCount()).toBe(0);
});
