import { describe, expect, it } from '@jest/globals';
import { addQuantities, isSameQuantity, readQuantity } from './quantity.ts';

describe('readQuantity and isSameQuantity', () => {
  it.each([
    ['0.1', '100m'],
    ['1', '1000m'],
    ['1Gi', '1024Mi'],
    ['1e3', '1k'],
    ['1.5Gi', '1536Mi'],
    ['100E', '1e20'],
    [2, '2'],
    ['+1', '1.0'],
    ['5n', '5e-9'],
  ])('consider %s and %s equal', (left, right) => {
    expect(isSameQuantity(left, right)).toBe(true);
  });

  it.each([
    ['1', '1m'],
    ['1M', '1Mi'],
    ['64Mi', '65Mi'],
    ['-1', '1'],
  ])('consider %s and %s different', (left, right) => {
    expect(isSameQuantity(left, right)).toBe(false);
  });

  it.each([[''], ['.'], ['Mi'], ['1 Mi'], ['1ki'], ['0x1'], [undefined], [{}], ['1e999']])(
    '%j is none, and equals nothing',
    (text) => {
      expect(readQuantity(text)).toBeUndefined();
      expect(isSameQuantity(text, text)).toBe(false);
    },
  );
});

describe('addQuantities', () => {
  it.each([
    ['500m', '100m', '600m'],
    ['1', '0.1', '1100m'],
    ['512Mi', '96Mi', '608Mi'],
    ['1Gi', '96Mi', '1120Mi'],
    ['512M', '96Mi', '598304Ki'],
    ['900m', '100m', '1'],
  ])('adds %s and %s', (left, right, sum) => {
    expect(addQuantities(left, right)).toBe(sum);
  });

  it('adds nothing to an amount that is not set', () => {
    expect(addQuantities(undefined, '1')).toBeUndefined();
  });
});
