import { describe, expect, test } from '@jest/globals';
import { defaulted, inject, judgeNew } from '../fixtures/pods.ts';
import { RULES } from './rules.ts';

describe('an injected pod', () => {
  test('keeps every rule, as it is and with what a cluster adds', () => {
    expect(judgeNew(inject())).toEqual([]);
    expect(judgeNew(defaulted(inject()))).toEqual([]);
  });

  test('breaks no rule silently: each has cases below', () => {
    expect(RULES.map(({ id }) => id)).toEqual(
      Array.from({ length: 13 }, (_, index) => String(index + 1)),
    );
  });
});
