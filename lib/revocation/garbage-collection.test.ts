import { describe, expect, it } from '@jest/globals';

import type { RevocationSpec } from '../contract/authority-api.ts';
import { evaluateCollection } from './garbage-collection.ts';
import { NOON, buildRevocation } from './fixtures/revocation-objects.ts';

const hour = 3_600_000;
const minute = 60_000;
const pod = { namespace: 'a', name: 'p', uid: 'u' };
const evaluateAfter = (target: Partial<RevocationSpec>, after: number) =>
  evaluateCollection(buildRevocation('one', target), {
    now: NOON + after,
    maxLifetimeSeconds: 3600,
  });
const buildUntil = (after: number) => ({
  all: true,
  until: new Date(NOON + after).toISOString(),
});

describe('evaluateCollection', () => {
  const examples: [string, Partial<RevocationSpec>][] = [
    ['a run', { run: 'r' }],
    ['a pod', { pod }],
    ['all, for a while', buildUntil(minute)],
  ];
  it.each(examples)(
    'keeps a Revocation of %s while a run that it ended may be active on a slow clock',
    (_, target) => {
      expect(evaluateAfter(target, hour + minute)).toBe('keep');
    },
  );

  it('deletes a Revocation of a run when the run has expired', () => {
    expect(evaluateAfter({ run: 'r' }, hour + minute + 1)).toBe('delete');
  });

  it('deletes a Revocation with a pod UID unless that pod still exists', () => {
    expect(evaluateAfter({ pod }, hour + minute + 1)).toEqual({ unlessRunning: pod });
  });

  it('deletes a Revocation with `until` one minute after that time and after the last run', () => {
    expect(evaluateAfter(buildUntil(2 * hour), 2 * hour + minute)).toBe('keep');
    expect(evaluateAfter(buildUntil(2 * hour), 2 * hour + minute + 1)).toBe('delete');
  });

  const lasting: [string, Partial<RevocationSpec>][] = [
    ["a pod's name", { pod: { namespace: 'a', name: 'p' } }],
    ['a task', { task: { namespace: 'a', serviceAccount: 's', task: 't' } }],
    ['a service account', { serviceAccount: { namespace: 'a', name: 's' } }],
    ['a namespace', { namespace: 'a' }],
    ['all', { all: true }],
  ];
  it.each(lasting)('keeps a Revocation of %s without `until`', (_, target) => {
    expect(evaluateAfter(target, 10_000 * hour)).toBe('keep');
  });
});
