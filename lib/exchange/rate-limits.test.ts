import { describe, expect, it } from '@jest/globals';

import { createTokenBuckets } from '../async/token-buckets.ts';
import type { Caller, VerifiedToken } from './caller.ts';
import { createRateLimits } from './rate-limits.ts';
import { normalizePeerAddress } from './rate-limits.ts';
import { RequestError } from './token-refusal.ts';

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
    advance: (ms: number) => (now += ms),
  };
};

const catchCode = (run: () => void): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof RequestError) return error.code;
    throw error;
  }
  return 'allowed';
};
const catchCodes = (count: number, run: () => void): readonly string[] =>
  Array.from({ length: count }, () => catchCode(run));

describe('createTokenBuckets', () => {
  it('allows the burst, then the sustained rate, and returns the time to wait', () => {
    let now = 0;
    const take = createTokenBuckets({ perSecond: 2, burst: 3, capacity: 9, monotonic: () => now });
    expect([take('a'), take('a'), take('a'), take('a')]).toEqual([0, 0, 0, 500]);
    now += 499;
    expect(take('a')).toBeGreaterThan(0);
    now += 1;
    expect(take('a')).toBe(0);
    expect(take('b')).toBe(0);
  });

  it('evicts the least recently used bucket when the capacity is exceeded', () => {
    const take = createTokenBuckets({ perSecond: 1, burst: 1, capacity: 2, monotonic: () => 0 });
    expect([take('a'), take('b'), take('c'), take('b'), take('a')]).toEqual([0, 0, 0, 1000, 0]);
  });
});

describe('normalizePeerAddress', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2::9', '2001:db8:1:2::9'],
    ['fe80::1%eth0', 'fe80::1'],
    [undefined, 'gone'],
  ])('maps %s to the bucket of %s', (address, peer) => {
    expect(normalizePeerAddress(address)).toBe(peer);
  });
});

describe('createRateLimits', () => {
  it('limits one address and no other', () => {
    const { limits, advance } = createLimits();
    const outcomes = catchCodes(31, () => limits.checkPeerRateLimit('10.0.0.1'));
    expect(outcomes.at(-1)).toBe('rate_limited_peer');
    expect(outcomes.filter((code) => code === 'allowed')).toHaveLength(30);
    expect(catchCode(() => limits.checkPeerRateLimit('10.0.0.2'))).toBe('allowed');
    advance(1_000);
    expect(catchCode(() => limits.checkPeerRateLimit('10.0.0.1'))).toBe('allowed');
  });

  it('limits a pod before it uses up the limits that it shares', () => {
    const { limits } = createLimits();
    expect(catchCodes(200, () => limits.checkRateLimits(buildCaller('a'))).at(-1)).toBe(
      'rate_limited_pod',
    );
    expect(
      catchCodes(30, () => limits.checkRateLimits(buildCaller('b'))).every(
        (code) => code === 'allowed',
      ),
    ).toBe(true);
    expect(catchCode(() => limits.checkRateLimits(buildCaller('c')))).toBe(
      'rate_limited_service_account',
    );
    expect(catchCodes(30, () => limits.checkRateLimits(buildCaller('d', 'other')))).toContain(
      'allowed',
    );
    expect(catchCode(() => limits.checkRateLimits(buildCaller('e', 'third')))).toBe(
      'rate_limited_namespace',
    );
    expect(catchCode(() => limits.checkRateLimits(buildCaller('f', 'agent', 'sales')))).toBe(
      'allowed',
    );
  });

  it('counts a task of many pairs as several requests, of its pod first', () => {
    const { limits, advance } = createLimits();
    expect(catchCodes(9, () => limits.chargePairs(buildCaller('a'), 16))).not.toContain(
      'rate_limited_pod',
    );
    const wide = catchCodes(3, () => limits.chargePairs(buildCaller('a'), 256));
    expect(wide).toEqual(['allowed', 'allowed', 'rate_limited_pod']);
    expect(catchCode(() => limits.checkRateLimits(buildCaller('b')))).toBe('allowed');
    advance(15_000);
    expect(catchCode(() => limits.chargePairs(buildCaller('a'), 256))).toBe('allowed');
  });

  it('refuses a verification over the limit before any cryptography', async () => {
    const { limits } = createLimits();
    const waiting: ((verified: VerifiedToken) => void)[] = [];
    let begun = 0;
    const verify = limits.limitVerifications<[string, string], VerifiedToken>(() => {
      begun += 1;
      return new Promise((resolve) => void waiting.push(resolve));
    });
    const first = [verify('t', 'p'), verify('t', 'p')];
    await expect(verify('t', 'p')).rejects.toMatchObject({ code: 'overloaded' });
    expect(begun).toBe(2);
    expect(limits.verifications()).toEqual({ used: 2, max: 2 });
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
    expect(limits.verifications()).toEqual({ used: 0, max: 2 });
    void verify('t', 'p');
    expect(begun).toBe(3);
  });

  it('does not count a forged token against the pod that it names', async () => {
    const { limits } = createLimits();
    const verify = limits.limitVerifications<[string, string], never>(() =>
      Promise.reject(new Error('forged')),
    );
    for (let count = 0; count < 100; count += 1) {
      await expect(verify('forged', 'p')).rejects.toThrow('forged');
    }
    expect(catchCode(() => limits.checkRateLimits(buildCaller('a')))).toBe('allowed');
  });
});
