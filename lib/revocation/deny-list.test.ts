import { describe, expect, it } from '@jest/globals';

import type { RevocationSpec } from '../contract/authority-api.ts';
import { buildSessionName } from '../scope/aws/session-name.ts';
import { buildDenyList } from './deny-list.ts';
import { NOON, buildRevocation } from './fixtures/revocation-objects.ts';

const hour = 3_600_000;
const by = 'system:serviceaccount:valetkey:valetkey-authority';
const options = { maxLifetimeSeconds: 3600, staleAfterSeconds: 60, by };
const buildDenied = (target: Partial<RevocationSpec>, after = 0, name = 'one') =>
  buildDenyList([buildRevocation(name, target)], { ...options, now: NOON + after });

describe('buildDenyList', () => {
  it('denies a revoked run for its longest possible lifetime', () => {
    expect(buildDenied({ run: 'r1' })).toEqual({
      runs: [{ run: 'r1', deadline: NOON + hour, hasCompleted: false, isReported: false }],
      sessions: [],
    });
  });

  it('marks a run as completed when the authority published its end, not when it revoked the run', () => {
    const end = { run: 'r1', reason: 'completed', by };
    expect(buildDenied(end, 0, 'run-r1').runs).toMatchObject([{ run: 'r1', hasCompleted: true }]);
    expect(buildDenied({ run: 'r1', by }).runs).toMatchObject([{ run: 'r1', hasCompleted: false }]);
  });

  it('marks a revoked run whose pod reported the end: any pod could report many', () => {
    const end = { run: 'r1', reason: 'revoked', by };
    const [reported] = buildDenied(end, 0, 'run-r1').runs;
    expect(reported).toMatchObject({ hasCompleted: false, isReported: true });
    expect(buildDenied(end, 0, 'other').runs).toMatchObject([{ isReported: false }]);
  });

  const account = { 'valetkey-namespace': 'a', 'valetkey-service-account': 's' };
  const targets: [string, Partial<RevocationSpec>, object][] = [
    ['everything', { all: true }, {}],
    ['a namespace', { namespace: 'a' }, { 'valetkey-namespace': 'a' }],
    ['a service account', { serviceAccount: { namespace: 'a', name: 's' } }, account],
    [
      'a task',
      { task: { namespace: 'a', serviceAccount: 's', task: 't' } },
      { ...account, 'valetkey-task': 't' },
    ],
  ];
  it.each(targets)('denies the sessions of %s by their tags', (_, target, tags) => {
    expect(buildDenied(target).sessions).toMatchObject([{ tags }]);
    expect(buildDenied(target).runs).toEqual([]);
  });

  it('denies the sessions of a pod by its name, truncated as in session names', () => {
    const name = 'a-pod-with-a-name-that-is-longer-than-any-session-name-could-ever-be';
    const [session] = buildDenied({ pod: { namespace: 'a', name } }).sessions;
    expect(session?.tags).toEqual({ 'valetkey-namespace': 'a' });
    const run = 'abcdefghijklmnopqrstuvwxyz234567';
    expect(buildSessionName({ podName: name, run })).toBe(`${session?.podName ?? ''}@${run}`);
  });
});

describe('buildDenyList for all sessions', () => {
  it('covers sessions issued before the last replica received it, on any clock', () => {
    expect(buildDenied({ all: true }).sessions[0]?.issuedUntil).toBe(NOON + 90_000);
  });

  it('does not cover sessions issued after `until`', () => {
    const until = new Date(NOON + 10_000).toISOString();
    expect(buildDenied({ all: true, until }).sessions[0]?.issuedUntil).toBe(NOON + 40_000);
  });

  it('ends when no such session can be active, even if the Revocation remains', () => {
    expect(buildDenied({ all: true }, hour + 119_999).sessions).toHaveLength(1);
    expect(buildDenied({ all: true }, hour + 120_000).sessions).toEqual([]);
  });
});
