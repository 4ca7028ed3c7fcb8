import { expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { renderResult } from './command-result.ts';
import { formatAge, renderTable } from './table.ts';

it('renderTable pads columns to their longest cell, without trailing spaces', () => {
  const rows = [
    ['a', ''],
    ['longer than its header', 'x'],
  ];
  expect(renderTable(['NAME', 'VALUE'], rows)).toEqual([
    'NAME                    VALUE',
    'a',
    'longer than its header  x',
  ]);
});

it.each([
  [-5, '0s'],
  [0, '0s'],
  [119_999, '119s'],
  [120_000, '2m'],
  [7_199_999, '119m'],
  [7_200_000, '2h'],
  [172_800_000, '2d'],
  [NaN, 'unknown'],
])('formatAge formats %d ms as %s', (milliseconds, expected) => {
  expect(formatAge(milliseconds)).toBe(expected);
});

const hostile = 'a\u001b[31m\u202eb\u{e0041}\n\u0085';

it('renderResult escapes control characters and line breaks in text', () => {
  const text = renderResult({ isHealthy: true, lines: [hostile], json: {} }, 'text');
  expect(text).toBe('a\\u{1b}[31m\\u{202e}b\\u{e0041}\\u{a}\\u{85}\n');
});

it('renderResult escapes the same characters in JSON without changing the value', () => {
  const text = renderResult({ isHealthy: true, lines: [], json: { hostile } }, 'json');
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  expect(JSON.parse(text)).toEqual({ hostile });
});

it('renderResult escapes the same characters in YAML without changing the value', () => {
  const json = { hostile, list: [1, { deep: 'no' }], absent: undefined, [hostile]: true };
  const text = renderResult({ isHealthy: true, lines: [], json }, 'yaml');
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  expect(text).toContain('\\U000e0041');
  expect(parse(text)).toEqual({ hostile, list: [1, { deep: 'no' }], [hostile]: true });
});
