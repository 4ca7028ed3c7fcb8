import { describe, expect, it } from '@jest/globals';

import { isRestored } from './store-history.ts';

describe('isRestored', () => {
  it('is true for a store that is behind', () => {
    expect(isRestored('1200', '1000')).toBe(true);
    expect(isRestored('10000000000000000000001', '9999999999999999999999')).toBe(true);
  });

  it('is true for a store whose revision was bumped', () => {
    expect(isRestored('1200', '1000001000')).toBe(true);
  });

  it('is false for a store that continues', () => {
    expect(isRestored('1200', '1200')).toBe(false);
    expect(isRestored('999', '1000')).toBe(false);
    expect(isRestored('1200', '50001200')).toBe(false);
  });

  it('is false for a store that counts nanoseconds and continues', () => {
    expect(isRestored('1765000000000000000', '1765000060000000000')).toBe(false);
  });

  it('is false for versions that are no integers', () => {
    expect(isRestored('b', 'a')).toBe(false);
    expect(isRestored('1200', '')).toBe(false);
  });
});
