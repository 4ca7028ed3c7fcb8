import { describe, expect, it } from '@jest/globals';
import { computeMedian, computePercentile, round } from './statistics.ts';

describe('statistics', () => {
  it('the median of an odd number of values is the middle one, whatever their order', () => {
    expect(computeMedian([30, 1, 2])).toBe(2);
  });

  it('the median of an even number of values lies between the two middle ones', () => {
    expect(computeMedian([1, 2, 4, 30])).toBe(3);
  });

  it('one slow repeat of five does not move the median', () => {
    expect(computeMedian([10, 10, 10, 10, 900])).toBe(10);
  });

  it('no values have no median', () => {
    expect(() => computeMedian([])).toThrow('at least one value');
  });

  it('99 of 100 values do not exceed the 99th percentile', () => {
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    expect(computePercentile(values, 0.99)).toBe(99);
  });

  it('numbers are published with three digits', () => {
    expect([round(12_345), round(0.98765), round(7)]).toEqual([12_300, 0.988, 7]);
  });
});
