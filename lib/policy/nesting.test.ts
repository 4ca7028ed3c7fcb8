import { describe, expect, test } from '@jest/globals';
import { decideAtAdmission } from './admission-decision.ts';
import { judgePolicy } from './findings.ts';
import { loadCatalogue, runOf } from './fixtures/questions.ts';
import { findTooHigh } from './nesting.ts';
import { openPolicies } from './policies.ts';
import { decide } from './run-decision.ts';

const join = (operator: string, term: string) => (count: number) =>
  Array.from({ length: count }, () => term).join(operator);
const wrap = (before: string, middle: string, after: string) => (count: number) =>
  `${before.repeat(count)}${middle}${after.repeat(count)}`;

/** Conditions that grow: what a policy of `count` of them says is `true`. */
const GROWING: Readonly<Record<string, (count: number) => string>> = {
  brackets: wrap('(', 'true', ')'),
  '&&': join(' && ', 'true'),
  '||': join(' || ', 'true'),
  '+': (count) => `${join(' + ', '1')(count)} > 0`,
  '*': (count) => `${join(' * ', '1')(count)} > 0`,
  sets: (count) => `!(${wrap('[', '1', ']')(count)} == [])`,
  records: (count) => `${wrap('{a: ', '1', '}')(count)} == ${wrap('{a: ', '1', '}')(count)}`,
  if: wrap('if true then ', 'true', ' else true'),
  'if in if': wrap('if ', 'true', ' then true else true'),
  negations: wrap('!(!(', 'true', '))'),
  members: (count) => `${wrap('{a: ', 'true', '}')(count)}${'.a'.repeat(count)}`,
  calls: (count) => `[1]${'.contains(1)'.repeat(count)}`,
  clauses: wrap('true } when { ', 'true', ''),
  'unknown sides': (count) => join(' || ', 'context.hour > 1')(count),
};

const policyOf = (condition: string): string =>
  `permit (principal, action, resource) when { ${condition} };`;

const isPassed = (condition: string): boolean => findTooHigh(policyOf(condition)) === undefined;

const tallest = (grow: (count: number) => string): number => {
  let count = 1;
  while (count < 200 && isPassed(grow(count + 1))) count += 1;
  return count;
};

describe.each(Object.entries(GROWING))('a policy that grows by %s', (_, grow) => {
  test('is refused where it grows further than it may', () => {
    expect(tallest(grow)).toBeLessThan(60);
    const { faults } = judgePolicy({ name: 'any', cedar: policyOf(grow(2_000)) });
    expect(faults.map(({ got }) => got)).toEqual(['a policy nested or chained further']);
  });

  test('as far as it may leaves Cedar alive', async () => {
    const cedar = policyOf(grow(tallest(grow)));
    const policies = openPolicies([
      { name: 'tall', cedar },
      { name: 'any', cedar: policyOf('true') },
    ]);
    const parts = { policies, loadCatalogue };
    const { outcome, reasons } = await decide(parts, runOf());
    expect([outcome, ...reasons].join()).toMatch(/^allow|TaskPolicy tall is invalid/);
    expect(['allow', 'deny']).toContain((await decideAtAdmission(parts, runOf())).outcome);
  });
});

describe('what grows without nesting', () => {
  test.each([
    ['a long set', `[${join(', ', '"abc"')(8_000)}].contains(context.action)`],
    ['a long set of members', `[${join(', ', 'context.role')(4_000)}].contains("a")`],
    ['a long name', `principal is ${'a::'.repeat(20_000)}B`],
    ['brackets beside each other', join(' && ', `(${join(' && ', 'true')(20)})`)(20)],
    ['brackets in a string', `context.role == "${'('.repeat(1_000)}"`],
  ])('may, as %s does', (_, condition) => {
    expect(isPassed(condition)).toBe(true);
    judgePolicy({ name: 'any', cedar: policyOf(condition) });
    expect(judgePolicy({ name: 'any', cedar: policyOf('true') }).faults).toEqual([]);
  });

  test('may, as sixty policies do', () => {
    const cedar = policyOf(join(' && ', 'true')(30)).repeat(60);
    expect(judgePolicy({ name: 'any', cedar }).faults).toEqual([]);
  });
});
