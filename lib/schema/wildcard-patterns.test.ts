import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { matchesPattern, patternsOverlap } from './wildcard-patterns.ts';

/** The definition of overlap, by exhaustive search. */
const someTextMatchesBoth = (one: string, other: string): boolean => {
  const reach = new Set<string>();
  const visit = (left: string, right: string): boolean => {
    const state = `${left} ${right}`;
    if (reach.has(state)) return false;
    reach.add(state);
    if (left === '' && right === '') return true;
    if (left.startsWith('*') && visit(left.slice(1), right)) return true;
    if (right.startsWith('*') && visit(left, right.slice(1))) return true;
    if (left === '' || right === '') return false;
    const [a, b] = [left[0], right[0]];
    const isEqual = a === b || '*?'.includes(a ?? '') || '*?'.includes(b ?? '');
    return isEqual && visit(a === '*' ? left : left.slice(1), b === '*' ? right : right.slice(1));
  };
  return visit(one, other);
};

const pattern = fc
  .array(fc.constantFrom('a', 'b', '/', '*', '?'), { maxLength: 9 })
  .map((characters) => characters.join(''));

describe('patternsOverlap', () => {
  it.each([
    ['reports/*', 'reports/2026', true],
    ['reports/*', 'secrets/*', false],
    ['*/a', 'a/*', true],
    ['a*b', 'a', false],
    ['?', '', false],
    ['ab*ba', 'aba', false],
    ['*c*c*c*', '?b?a', false],
    ['*a*b*', '?b?a', true],
    ['', '*', true],
  ])('of %j and %j is %j', (one, other, expected) => {
    expect(patternsOverlap(one, other)).toBe(expected);
  });

  it('is true exactly if some text matches both patterns', () => {
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        expect(patternsOverlap(one, other)).toBe(someTextMatchesBoth(one, other));
      }),
      { numRuns: 3000 },
    );
  });

  it('does not depend on the order of the patterns', () => {
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        expect(patternsOverlap(one, other)).toBe(patternsOverlap(other, one));
      }),
    );
  });
});

describe('matchesPattern', () => {
  it('equals a regular expression, for any pattern and text', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', '/', '*', '?', '\n'), { maxLength: 9 })
      .map((characters) => characters.join(''));
    fc.assert(
      fc.property(pattern, text, (one, literal) => {
        const source = one.replace(/[*?]/g, (c) => (c === '*' ? '[^]*' : '[^]'));
        expect(matchesPattern(one, literal)).toBe(new RegExp(`^${source}$`).test(literal));
      }),
      { numRuns: 3_000 },
    );
  });

  it('does not take wildcards of the text for wildcards', () => {
    expect(matchesPattern('reports/a', 'reports/*')).toBe(false);
    expect(matchesPattern('reports/a', 'reports/?')).toBe(false);
    expect(matchesPattern('reports/?', 'reports/*')).toBe(true);
  });
});
