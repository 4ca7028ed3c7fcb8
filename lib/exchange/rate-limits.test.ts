import { describe, expect, test } from '@jest/globals';

import { createTokenBuckets } from '../async/token-buckets.ts';
import type { Caller, VerifiedToken } from './caller.ts';
import { createRateLimits } from './rate-limits.ts';
import { normalizePeerAddress } from './rate-limits.ts';
import { IssuingError } from './token-refusal.ts';

const buildCaller = (uid: string, serviceAccount = 'agent', namespace = 'research'): Caller => ({
  namespace,
  serviceAccount,
  pod: { name: uid, uid },
});

const rates = { peer: 1, pod: 1, serviceAccount: 2, namespace: 3, verifications: 2 };
const createLimits = () => {
  let now = 0;
  return {
    limits: createRateLimits(rates, { monotonic: () => now }),
    pass: (ms: number) => (now += ms),
  };
};

const catchCode = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof IssuingError) return error.code;
    throw error;
  }
  return 'admitted';
};
const catchCodes = (count: number, run: () => void): readonly string[] =>
  Array.from({ length: count }, () => catchCode(run));

describe('a bucket', () => {
  test('gives its burst at once, then what flows in, and says how long to wait', () => {
    let now = 0;
    const take = createTokenBuckets({ perSecond: 2, burst: 3, capacity: 9, monotonic: () => now });
    expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 500]);
    now += 499;
    expect(take('a')).toBeGreaterThan(0);
    now += 1;
    expect(take('a')).toBe(0);
    expect(take('b')).toBe(0);
  });

  test('is forgotten when others were asked for since, and their number is bounded', () => {
    const take = createTokenBuckets({ perSecond: 1, burst: 1, capacity: 2, monotonic: () => 0 });
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
    expect(normalizePeerAddress(address)).toBe(peer);
  });
});

describe('flood limits', () => {
  test('hold one address back, and no other', () => {
    const { limits, pass } = createLimits();
    const floods = catchCodes(31, () => limits.checkPeerRateLimit('10.0.0.1'));
    expect(floods.at(-1)).toBe('rate_limited_peer');
    expect(floods.filter((code) => code === 'admitted')).toHaveLength(30);
    expect(catchCode(() => limits.checkPeerRateLimit('10.0.0.2'))).toBe('admitted');
    pass(1_000);
    expect(catchCode(() => limits.checkPeerRateLimit('10.0.0.1'))).toBe('admitted');
  });

  test('hold a pod back before it costs its neighbours anything', () => {
    const { limits } = createLimits();
    expect(catchCodes(200, () => limits.checkRateLimits(buildCaller('a'))).at(-1)).toBe(
      'rate_limited_pod',
    );
    expect(
      catchCodes(30, () => limits.checkRateLimits(buildCaller('b'))).every(
        (code) => code === 'admitted',
      ),
    ).toBe(true);
    expect(catchCode(() => limits.checkRateLimits(buildCaller('c')))).toBe(
      'rate_limited_service_account',
    );
    expect(catchCodes(30, () => limits.checkRateLimits(buildCaller('d', 'other')))).toContain(
      'admitted',
    );
    expect(catchCode(() => limits.checkRateLimits(buildCaller('e', 'third')))).toBe(
      'rate_limited_namespace',
    );
    expect(catchCode(() => limits.checkRateLimits(buildCaller('f', 'agent', 'sales')))).toBe(
      'admitted',
    );
  });

  test('let a task of many pairs count as many requests, of its pod first', () => {
    const { limits, pass } = createLimits();
    expect(catchCodes(9, () => limits.chargePairs(buildCaller('a'), 16))).not.toContain(
      'rate_limited_pod',
    );
    const wide = catchCodes(3, () => limits.chargePairs(buildCaller('a'), 256));
    expect(wide).toEqual(['admitted', 'admitted', 'rate_limited_pod']);
    expect(catchCode(() => limits.checkRateLimits(buildCaller('b')))).toBe('admitted');
    pass(15_000);
    expect(catchCode(() => limits.chargePairs(buildCaller('a'), 256))).toBe('admitted');
  });

  test('refuse a verification too many before any cryptography', async () => {
    const { limits } = createLimits();
    const waiting: ((verified: VerifiedToken) => void)[] = [];
    let begun = 0;
    const verify = limits.limitVerifications(() => {
      begun += 1;
      return new Promise((resolve) => void waiting.push(resolve));
    });
    const first = [verify('t', 'p'), verify('t', 'p')];
    await expect(verify('t', 'p')).rejects.toMatchObject({ code: 'overloaded' });
    expect(begun).toBe(2);
    const verified: VerifiedToken = {
      caller: buildCaller('a'),
      claims: {
        namespace: 'research',
        pod: { name: 'a', uid: 'a' },
        serviceAccount: { name: 'agent', uid: 'uid-agent' },
        expiresAt: 0,
      },
      token: 't',
      peer: 'p',
    };
    waiting.forEach((resolve) => resolve(verified));
    await Promise.all(first);
    void verify('t', 'p');
    expect(begun).toBe(3);
  });

  test('never cost the pod that a forged token names', async () => {
    const { limits } = createLimits();
    const verify = limits.limitVerifications(() => Promise.reject(new Error('forged')));
    for (let count = 0; count < 100; count += 1) {
      await expect(verify('forged', 'p')).rejects.toThrow('forged');
    }
    expect(catchCode(() => limits.checkRateLimits(buildCaller('a')))).toBe('admitted');
  });
});
