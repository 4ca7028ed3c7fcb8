import { expect, test } from '@jest/globals';
import { buildViolationWhen, concatLists, buildElements, toCelLiteral, quoteText } from './cel.ts';

test('a text of strangers is a literal, whatever it holds', () => {
  expect(toCelLiteral('a"b\\c\nd')).toBe('"a\\"b\\\\c\\nd"');
  expect(toCelLiteral(['a', 'b'])).toBe('["a","b"]');
});

test('a list that is absent or null has no elements', () => {
  expect(buildElements('object.spec.volumes')).toBe(
    '(has(object.spec) && has(object.spec.volumes) && dyn(object.spec.volumes) != null ? dyn(object.spec.volumes) : dyn([]))',
  );
});

test('no lists are the empty list', () => {
  expect(concatLists([])).toBe('[]');
  expect(concatLists(['a', 'b'])).toBe('a +\nb');
});

test('a breach reads as a fault does', () => {
  const breach = { rule: '3', path: '"/spec"', expected: 'nothing', got: quoteText('x') };
  expect(buildViolationWhen('t', breach)).toBe(
    '(t ? ["/spec" + ": expected nothing, got " + (x.matches("^[ -~]{0,80}$") ? "\\"" + x + "\\"" : "a text that is not shown") + " (rule 3)"] : [])',
  );
});
