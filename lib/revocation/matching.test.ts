import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import type { RevocationSpec } from '../contract/authority-api.ts';
import { NOON, buildRevocation } from './fixtures/revocation-objects.ts';
import { indexRevocations, isInForce, matchesRun, type RevocationTarget } from './matching.ts';

const requestedRun: RevocationTarget = {
  namespace: 'research',
  serviceAccount: 'agent',
  pod: 'agent-0',
  podUid: 'u-0',
  task: 'summarize',
};
const run = { ...requestedRun, run: 'r1' };
const names = { namespace: 'research', serviceAccount: 'agent', task: 'summarize' };

describe('matchesRun and find', () => {
  const cases: [string, Partial<RevocationSpec>, boolean][] = [
    ['of the run', { run: 'r1' }, true],
    ['of another run', { run: 'r2' }, false],
    ['of the pod', { pod: { namespace: 'research', name: 'agent-0' } }, true],
    [
      'of the pod with its UID',
      { pod: { namespace: 'research', name: 'agent-0', uid: 'u-0' } },
      true,
    ],
    [
      'of an earlier pod of its name',
      { pod: { namespace: 'research', name: 'agent-0', uid: 'u' } },
      false,
    ],
    ['of a pod of its name elsewhere', { pod: { namespace: 'other', name: 'agent-0' } }, false],
    ['of the task', { task: names }, true],
    ['of another task', { task: { ...names, task: 'publish' } }, false],
    ['of the task of another account', { task: { ...names, serviceAccount: 'other' } }, false],
    ['of the service account', { serviceAccount: { namespace: 'research', name: 'agent' } }, true],
    ['of an account elsewhere', { serviceAccount: { namespace: 'other', name: 'agent' } }, false],
    ['of the namespace', { namespace: 'research' }, true],
    ['of another namespace', { namespace: 'researc' }, false],
    ['of all', { all: true }, true],
  ];
  it.each(cases)('compares the run with a Revocation %s', (_, target, isMatch) => {
    const one = buildRevocation('one', target);
    expect(matchesRun(one, run)).toBe(isMatch);
    expect(indexRevocations([one]).find(run, NOON)).toBe(isMatch ? one : undefined);
  });

  it('finds no Revocation of a run for a run that has not started', () => {
    const index = indexRevocations([buildRevocation('one', { run: 'r1' })]);
    expect(index.find(requestedRun, NOON)).toBeUndefined();
  });

  it('treats a Revocation as in force until `until`, or indefinitely without it', () => {
    const until = new Date(NOON).toISOString();
    expect(isInForce({ until }, NOON - 1)).toBe(true);
    expect(isInForce({ until }, NOON)).toBe(false);
    expect(isInForce({}, Number.MAX_SAFE_INTEGER)).toBe(true);
  });

  it('ignores an expired Revocation and finds another one in force', () => {
    const past = buildRevocation('past', { all: true, until: new Date(NOON).toISOString() });
    expect(indexRevocations([past]).find(run, NOON + 1)).toBeUndefined();
    const lasting = buildRevocation('lasting', { all: true });
    expect(indexRevocations([past, lasting]).find(run, NOON + 1)).toBe(lasting);
  });
});

it('indexRevocations finds the same Revocations as a scan of all of them', () => {
  const word = fc.constantFrom('a', 'b');
  const target: fc.Arbitrary<Partial<RevocationSpec>> = fc.oneof(
    fc.record({ run: word }),
    fc.record({ pod: fc.record({ namespace: word, name: word }) }),
    fc.record({ pod: fc.record({ namespace: word, name: word, uid: word }) }),
    fc.record({ task: fc.record({ namespace: word, serviceAccount: word, task: word }) }),
    fc.record({ serviceAccount: fc.record({ namespace: word, name: word }) }),
    fc.record({ namespace: word }),
    fc.constant({ all: true }),
  );
  const targetRuns: fc.Arbitrary<RevocationTarget> = fc.record({
    run: word,
    namespace: word,
    serviceAccount: word,
    pod: word,
    podUid: word,
    task: word,
  });
  fc.assert(
    fc.property(fc.array(target, { maxLength: 6 }), targetRuns, (targets, asked) => {
      const all = targets.map((one, n) => buildRevocation(`r${n}`, one));
      const found = indexRevocations(all).find(asked, NOON);
      expect(found !== undefined).toBe(all.some((one) => matchesRun(one, asked)));
      if (found !== undefined) expect(matchesRun(found, asked)).toBe(true);
    }),
  );
});

describe('forPod', () => {
  const listForPod = (...targets: Partial<RevocationSpec>[]) =>
    indexRevocations(targets.map((target, n) => buildRevocation(`r${n}`, target))).forPod(
      run,
      NOON,
      { own: [] },
    );

  it('returns Revocations of the pod, its service account, its namespace or everything', () => {
    const names = listForPod(
      { pod: { namespace: 'research', name: 'agent-0' } },
      { serviceAccount: { namespace: 'research', name: 'agent' } },
      { namespace: 'research' },
      { all: true },
      { pod: { namespace: 'research', name: 'agent-1' } },
      { pod: { namespace: 'research', name: 'agent-0', uid: 'earlier' } },
      { namespace: 'other' },
      { run: 'r1' },
    ).map(({ name }) => name);
    expect(names.toSorted()).toEqual(['r0', 'r1', 'r2', 'r3']);
  });

  it('names the task when only a task is revoked, even an undeclared one', () => {
    expect(listForPod({ task: { ...names, task: 'publish' } })).toEqual([
      { name: 'r0', task: 'publish', reason: 'incident 7' },
    ]);
  });

  it('includes runs of the pod and never the user who revoked them', () => {
    const own = [buildRevocation('one', { run: 'r1' })];
    expect(indexRevocations(own).forPod(run, NOON, { own })).toEqual([
      { name: 'one', run: 'r1', reason: 'incident 7' },
    ]);
  });

  it('includes what ends a run that the pod follows, also that it completed', () => {
    const all = [
      buildRevocation('run-parent', { run: 'parent', reason: 'completed', by: 'authority' }),
      buildRevocation('other', { run: 'other' }),
    ];
    const followed = ['root', 'parent'];
    expect(indexRevocations(all).forPod(run, NOON, { own: [], followed })).toEqual([
      { name: 'run-parent', run: 'parent', reason: 'completed' },
    ]);
  });

  it('omits a Revocation whose `until` has passed', () => {
    expect(listForPod({ all: true, until: new Date(NOON).toISOString() })).toEqual([]);
  });
});
