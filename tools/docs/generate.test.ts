import { expect, test } from '@jest/globals';
import { findStalePages } from './generate.ts';

test('every generated page is as the code would write it', () => {
  expect(findStalePages()).toEqual([]);
});
