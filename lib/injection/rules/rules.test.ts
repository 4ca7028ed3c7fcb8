import { describe, expect, it } from '@jest/globals';
import { applyApiDefaults, injectPod, evaluateNewPod } from '../fixtures/injected-pods.ts';
import { RULES } from './rules.ts';

describe('evaluateRules', () => {
  it('finds no violation in an injected pod, with and without API defaults', () => {
    expect(evaluateNewPod(injectPod())).toEqual([]);
    expect(evaluateNewPod(applyApiDefaults(injectPod()))).toEqual([]);
  });

  it('knows rules 1 to 13', () => {
    expect(RULES.map(({ id }) => id)).toEqual(
      Array.from({ length: 13 }, (_, index) => String(index + 1)),
    );
  });
});
