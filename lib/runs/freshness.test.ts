import { describe, expect, test } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import {
  computeAdvertisedExpiration,
  evaluateFreshness,
  computeRenewBeforeMs,
} from './freshness.ts';

const lifetimeMs = fc.integer({ min: 1, max: 43_200 }).map((seconds) => seconds * 1000);

describe('the renewal of a run', () => {
  test.each([
    [1, 0.5],
    [10, 5],
    [30, 15],
    [60, 15],
    [300, 75],
    [600, 150],
    [3600, 300],
    [43_200, 300],
  ])('of %i s starts when %d s remain', (lifetime, notice) => {
    expect(computeRenewBeforeMs(lifetime * 1000)).toBe(notice * 1000);
  });

  test('never starts before half of the lifetime has passed', () => {
    fc.assert(fc.property(lifetimeMs, (life) => computeRenewBeforeMs(life) <= life / 2));
  });

  test('is due only before the run expires', () => {
    const remaining = fc.integer({ min: -10_000, max: 43_200_000 });
    fc.assert(
      fc.property(lifetimeMs, remaining, (life, left) => {
        const freshness = evaluateFreshness(left, life);
        expect(freshness === 'expired').toBe(left <= 0);
        expect(freshness === 'fresh').toBe(left >= computeRenewBeforeMs(life) && left > 0);
      }),
    );
  });
});

describe('the advertised Expiration', () => {
  const deadline = 1_800_000_000_000;

  test.each([
    [600, 0, 10],
    [60, 0, 6],
    [2, 0, 0.2],
    [600, 20_000, 30],
    [600, -20_000, 10],
  ])(
    'of a run of %i s with a cloud clock %i ms ahead is %d s before its deadline',
    (life, skewMs, s) => {
      const lifetime = life * 1000;
      expect(
        deadline - computeAdvertisedExpiration({ deadline, skewMs, lifetimeMs: lifetime }),
      ).toBe(s * 1000);
    },
  );

  test('is before the deadline on both clocks and keeps most of the lifetime', () => {
    const skew = fc.integer({ min: -30_000, max: 30_000 });
    fc.assert(
      fc.property(lifetimeMs, skew, (life, skewMs) => {
        const at = computeAdvertisedExpiration({ deadline, skewMs, lifetimeMs: life });
        expect(at).toBeLessThan(deadline);
        expect(at + skewMs).toBeLessThan(deadline);
        expect(deadline - at).toBeLessThanOrEqual(life / 10 + Math.max(0, skewMs) + 1);
      }),
    );
  });
});
