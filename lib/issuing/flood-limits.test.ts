import { describe, expect, test } from '@jest/globals';

import { openBuckets } from './buckets.ts';
import type { Claimant, VerifiedToken } from './caller.ts';
import { openFloodLimits } from './flood-limits.ts';
import { peerOf } from './peer.ts';
import { IssuingError } from './refusal.ts';

const claimant = (uid: string, serviceAccount = 'agent', namespace = 'research'): Claimant => ({
  namespace,
  serviceAccount,
  pod: { name: uid, uid },
});

const rates = { peer: 1, pod: 1, serviceAccount: 2, namespace: 3, verifications: 2 };
const open = () => {
  let now = 0;
  return {
    limits: openFloodLimits(rates, { monotonic: () => now }),
    pass: (ms: number) => (now += ms),
  };
};

const codeOf = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof IssuingError) return error.code;
    throw error;
  }
  return 'admitted';
};
const times = (count: number, run: () => void): readonly string[] =>
  Array.from({ length: count }, () => codeOf(run));

describe('a bucket', () => {
  test('gives its burst at once, then what flows in, and says how long to wait', () => {
    let now = 0;
    const take = openBuckets({ perSecond: 2, burst: 3, capacity: 9, monotonic: () => now });
    expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 500]);
    now += 499;
    expect(take('a')).toBeGreaterThan(0);
    now += 1;
    expect(take('a')).toBe(0);
    expect(take('b')).toBe(0);
  });

  test('is forgotten when others were asked for since, and their number is bounded', () => {
    const take = openBuckets({ perSecond: 1, burst: 1, capacity: 2, monotonic: () => 0 });
    expect([take('a'), take('b'), take('c'), take('b'), take('a')]).toEqual([0, 0, 0, 1000, 0]);
  });
});

describe('an address', () => {
  test.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2::9', '2001:db8:1:2::9'],
    ['fe80::1%eth0', 'fe80::1'],
    [undefined, 'gone'],
  ])('%s takes from the bucket of %s', (address, peer) => {
    expect(peerOf(address)).toBe(peer);
  });
});

describe('flood limits', () => {
  test('hold one address back, and no other', () => {
    const { limits, pass } = open();
    const floods = times(31, () => limits.admitPeer('10.0.0.1'));
    expect(floods.at(-1)).toBe('flood_peer');
    expect(floods.filter((code) => code === 'admitted')).toHaveLength(30);
    expect(codeOf(() => limits.admitPeer('10.0.0.2'))).toBe('admitted');
    pass(1_000);
    expect(codeOf(() => limits.admitPeer('10.0.0.1'))).toBe('admitted');
  });

  test('hold a pod back before it costs its neighbours anything', () => {
    const { limits } = open();
    expect(times(200, () => limits.admit(claimant('a'))).at(-1)).toBe('flood_pod');
    expect(times(30, () => limits.admit(claimant('b'))).every((code) => code === 'admitted')).toBe(
      true,
    );
    expect(codeOf(() => limits.admit(claimant('c')))).toBe('flood_service_account');
    expect(times(30, () => limits.admit(claimant('d', 'other')))).toContain('admitted');
    expect(codeOf(() => limits.admit(claimant('e', 'third')))).toBe('flood_namespace');
    expect(codeOf(() => limits.admit(claimant('f', 'agent', 'sales')))).toBe('admitted');
  });

  test('let a task of many pairs count as many requests, of its pod first', () => {
    const { limits, pass } = open();
    expect(times(9, () => limits.charge(claimant('a'), 16))).not.toContain('flood_pod');
    const wide = times(3, () => limits.charge(claimant('a'), 256));
    expect(wide).toEqual(['admitted', 'admitted', 'flood_pod']);
    expect(codeOf(() => limits.admit(claimant('b')))).toBe('admitted');
    pass(15_000);
    expect(codeOf(() => limits.charge(claimant('a'), 256))).toBe('admitted');
  });

  test('refuse a verification too many before any cryptography', async () => {
    const { limits } = open();
    const waiting: ((verified: VerifiedToken) => void)[] = [];
    let begun = 0;
    const verify = limits.bounded(() => {
      begun += 1;
      return new Promise((resolve) => void waiting.push(resolve));
    });
    const first = [verify('t', 'p'), verify('t', 'p')];
    await expect(verify('t', 'p')).rejects.toMatchObject({ code: 'overloaded' });
    expect(begun).toBe(2);
    const verified = { claimant: claimant('a'), identify: () => Promise.reject(new Error('no')) };
    waiting.forEach((resolve) => resolve(verified));
    await Promise.all(first);
    void verify('t', 'p');
    expect(begun).toBe(3);
  });

  test('never cost the pod that a forged token names', async () => {
    const { limits } = open();
    const verify = limits.bounded(() => Promise.reject(new Error('forged')));
    for (let count = 0; count < 100; count += 1) {
      await expect(verify('forged', 'p')).rejects.toThrow('forged');
    }
    expect(codeOf(() => limits.admit(claimant('a')))).toBe('admitted');
  });
});
