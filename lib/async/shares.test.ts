import { describe, expect, it } from '@jest/globals';

import { createShares } from './shares.ts';

describe('createShares', () => {
  it('gives no owner more than its share of a pool, and all together no more than the pool', () => {
    const take = createShares({ perPool: 3, perOwner: 2 });
    const isTaken = (owner: string, pool = 'p') => take({ pool, owner }) !== undefined;
    expect([isTaken('a'), isTaken('a'), isTaken('a')]).toEqual([true, true, false]);
    expect([isTaken('b'), isTaken('b'), isTaken('c')]).toEqual([true, false, false]);
    expect(isTaken('a', 'q')).toBe(true);
  });

  it('gives a place again that was given back', () => {
    const take = createShares({ perPool: 1, perOwner: 1 });
    const giveBack = take({ pool: 'p', owner: 'a' });
    expect(take({ pool: 'p', owner: 'b' })).toBeUndefined();
    giveBack?.();
    expect(take({ pool: 'p', owner: 'b' })).toBeDefined();
  });
});
