import { describe, expect, test } from '@jest/globals';

import type { RevocationSpec } from '../contract/authority.ts';
import { judgeCollection } from './collection.ts';
import { NOON, revocation } from './fixtures/revocations.ts';

const hour = 3_600_000;
const minute = 60_000;
const pod = { namespace: 'a', name: 'p', uid: 'u' };
const at = (target: Partial<RevocationSpec>, after: number) =>
  judgeCollection(revocation('one', target), { now: NOON + after, lifetimeCeilingSeconds: 3600 });
const endingAfter = (after: number) => ({
  all: true,
  until: new Date(NOON + after).toISOString(),
});

describe('a Revocation', () => {
  const whatever: [string, Partial<RevocationSpec>][] = [
    ['a run', { run: 'r' }],
    ['a pod', { pod }],
    ['all, for a while', endingAfter(minute)],
  ];
  test.each(whatever)(
    'of %s stays while what it ended may live, and clocks differ',
    (_, target) => {
      expect(at(target, hour + minute)).toBe('stays');
    },
  );

  test('of a run goes when the run is dead', () => {
    expect(at({ run: 'r' }, hour + minute + 1)).toBe('goes');
  });

  test('of this very pod goes unless the pod is alive', () => {
    expect(at({ pod }, hour + minute + 1)).toEqual({ unlessAlive: pod });
  });

  test('with an end goes a minute after it, if what it ended is dead', () => {
    expect(at(endingAfter(2 * hour), 2 * hour + minute)).toBe('stays');
    expect(at(endingAfter(2 * hour), 2 * hour + minute + 1)).toBe('goes');
  });

  const standing: [string, Partial<RevocationSpec>][] = [
    ["a pod's name", { pod: { namespace: 'a', name: 'p' } }],
    ['a task', { task: { namespace: 'a', serviceAccount: 's', task: 't' } }],
    ['a service account', { serviceAccount: { namespace: 'a', name: 's' } }],
    ['a namespace', { namespace: 'a' }],
    ['all', { all: true }],
  ];
  test.each(standing)('of %s without an end stays', (_, target) => {
    expect(at(target, 10_000 * hour)).toBe('stays');
  });
});
