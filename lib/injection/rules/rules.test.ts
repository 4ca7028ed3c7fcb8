import { describe, expect, test } from '@jest/globals';
import { defaulted, inject, judgeNew } from '../fixtures/pods.ts';
import { RULES } from './rules.ts';

describe('an injected pod', () => {
  test('keeps every rule, as it is and with what a cluster adds', () => {
    expect(judgeNew(inject())).toEqual([]);
    expect(judgeNew(defaulted(inject()))).toEqual([]);
  });

  test('breaks no rule silently: each has cases below', () => {
    expect(RULES.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
  });
});
