import { describe, expect, it } from '@jest/globals';
import { computeGrowth } from './soak.ts';

describe('computeGrowth', () => {
  it('ignores the warm-up in the first quarter', () => {
    expect(computeGrowth([10, 20, 100, 100, 100, 100, 101, 101], 0)).toEqual({
      before: 100,
      after: 101,
      isFlat: true,
    });
  });

  it('reports growth beyond a tenth and the allowance', () => {
    const values = [100, 100, 100, 100, 120, 120, 140, 140];
    expect(computeGrowth(values, 5).isFlat).toBe(false);
    expect(computeGrowth(values, 50).isFlat).toBe(true);
  });
});
