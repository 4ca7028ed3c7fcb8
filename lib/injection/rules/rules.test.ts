import { describe, expect, test } from '@jest/globals';
import { applyApiDefaults, injectPod, evaluateNewPod } from '../fixtures/injected-pods.ts';
import { RULES } from './rules.ts';

describe('an injected pod', () => {
  test('keeps every rule, as it is and with what a cluster adds', () => {
    expect(evaluateNewPod(injectPod())).toEqual([]);
    expect(evaluateNewPod(applyApiDefaults(injectPod()))).toEqual([]);
  });

  test('breaks no rule silently: each has cases below', () => {
    expect(RULES.map(({ id }) => id)).toEqual(
      Array.from({ length: 13 }, (_, index) => String(index + 1)),
    );
  });
});
