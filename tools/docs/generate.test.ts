import { describe, expect, it } from '@jest/globals';
import { findStalePages } from './generate.ts';

describe('findStalePages', () => {
  it('finds each generated page up to date', () => {
    expect(findStalePages()).toEqual([]);
  });
});
