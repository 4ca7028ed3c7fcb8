import { expect, test } from '@jest/globals';
import { stalePages } from './generate.ts';

test('every generated page is as the code would write it', () => {
  expect(stalePages()).toEqual([]);
});
