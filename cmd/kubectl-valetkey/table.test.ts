import { expect, test } from '@jest/globals';

import { renderResult } from './command-result.ts';
import { formatAge, renderTable } from './table.ts';

test('columns are as wide as their longest cell, and no line ends in spaces', () => {
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

test.each([
  [-5, '0s'],
  [0, '0s'],
  [119_999, '119s'],
  [120_000, '2m'],
  [7_199_999, '119m'],
  [7_200_000, '2h'],
  [172_800_000, '2d'],
  [NaN, 'unknown'],
])('%d ms ago is %s', (milliseconds, expected) => {
  expect(formatAge(milliseconds)).toBe(expected);
});

const hostile = 'a\u001b[31m\u202eb\u{e0041}\n\u0085';

test('nothing that steers a terminal is printed as it is, and a line stays one', () => {
  const text = renderResult({ isHealthy: true, lines: [hostile], json: {} }, 'text');
  expect(text).toBe('a\\u{1b}[31m\\u{202e}b\\u{e0041}\\u{a}\\u{85}\n');
});

test('JSON says the same value without them', () => {
  const text = renderResult({ isHealthy: true, lines: [], json: { hostile } }, 'json');
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  expect(JSON.parse(text)).toEqual({ hostile });
});
