import { describe, expect, test } from '@jest/globals';

import type { RevocationSpec } from '../contract/authority-api.ts';
import { isCollectable } from './garbage-collection.ts';
import { NOON, buildRevocation } from './fixtures/revocation-objects.ts';

const hour = 3_600_000;
const minute = 60_000;
const pod = { namespace: 'a', name: 'p', uid: 'u' };
const evaluateAfter = (target: Partial<RevocationSpec>, after: number) =>
  isCollectable(buildRevocation('one', target), {
    now: NOON + after,
    maxLifetimeSeconds: 3600,
  });
const buildUntil = (after: number) => ({
  all: true,
  until: new Date(NOON + after).toISOString(),
});

describe('a Revocation', () => {
  const whatever: [string, Partial<RevocationSpec>][] = [
    ['a run', { run: 'r' }],
    ['a pod', { pod }],
    ['all, for a while', buildUntil(minute)],
  ];
  test.each(whatever)(
    'of %s stays while what it ended may live, and clocks differ',
    (_, target) => {
      expect(evaluateAfter(target, hour + minute)).toBe('stays');
    },
  );

  test('of a run goes when the run is dead', () => {
    expect(evaluateAfter({ run: 'r' }, hour + minute + 1)).toBe('goes');
  });

  test('of this very pod goes unless the pod is alive', () => {
    expect(evaluateAfter({ pod }, hour + minute + 1)).toEqual({ unlessRunning: pod });
  });

  test('with an end goes a minute after it, if what it ended is dead', () => {
    expect(evaluateAfter(buildUntil(2 * hour), 2 * hour + minute)).toBe('stays');
    expect(evaluateAfter(buildUntil(2 * hour), 2 * hour + minute + 1)).toBe('goes');
  });

  const standing: [string, Partial<RevocationSpec>][] = [
    ["a pod's name", { pod: { namespace: 'a', name: 'p' } }],
    ['a task', { task: { namespace: 'a', serviceAccount: 's', task: 't' } }],
    ['a service account', { serviceAccount: { namespace: 'a', name: 's' } }],
    ['a namespace', { namespace: 'a' }],
    ['all', { all: true }],
  ];
  test.each(standing)('of %s without an end stays', (_, target) => {
    expect(evaluateAfter(target, 10_000 * hour)).toBe('stays');
  });
});
