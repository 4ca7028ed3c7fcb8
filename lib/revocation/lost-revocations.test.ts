import { describe, expect, it } from '@jest/globals';

import { buildRevocation } from './fixtures/revocation-objects.ts';
import { buildSuccessor } from './lost-revocations.ts';
import { readRevocation } from './revocation.ts';

const by = 'system:serviceaccount:valetkey:valetkey-authority';

describe('buildSuccessor', () => {
  it('keeps target and end, and names the person in the reason', () => {
    const until = '2030-01-01T13:00:00Z';
    const lost = buildRevocation('one', { namespace: 'research', until });
    expect(buildSuccessor(lost, by)).toEqual({
      name: 'restored-uid-one',
      spec: {
        namespace: 'research',
        until,
        by,
        reason: 'incident 7 (revoked by ann@example.com, lost by a restore of the cluster)',
      },
    });
  });

  it('returns what an authority created itself as it was', () => {
    const lost = buildRevocation('run-abc', { run: 'abc', reason: 'completed', by });
    expect(buildSuccessor(lost, by)).toEqual({ name: lost.name, spec: lost.spec });
    const again = buildSuccessor(buildRevocation('one', { all: true }), by);
    expect(buildSuccessor({ ...lost, ...again }, by)).toEqual(again);
  });

  it('keeps to the limits of a Revocation, for long names and reasons', () => {
    for (const user of ['ann', 'a'.repeat(253)]) {
      const lost = buildRevocation('one', { all: true, reason: 'r'.repeat(256), by: user });
      const { name, spec } = buildSuccessor(lost, by);
      const metadata = { name, uid: 'u', creationTimestamp: '2030-01-01T12:00:00Z' };
      expect(readRevocation({ metadata, spec }).ok).toBe(true);
      expect(spec.reason).toContain(`revoked by ${user.slice(0, 200)}`);
    }
  });
});
