import { describe, expect, it } from '@jest/globals';
import { evaluateAdmissionPolicy } from './admission-decision.ts';
import { checkPolicy } from './policy-findings.ts';
import { loadCatalog, buildRunRequest } from './fixtures/policy-requests.ts';
import { findExcessiveNesting } from './nesting.ts';
import { compilePolicies } from './compiled-policies.ts';
import { evaluateRunPolicy } from './run-decision.ts';

const buildChain = (operator: string, term: string) => (count: number) =>
  Array.from({ length: count }, () => term).join(operator);
const buildNesting = (before: string, middle: string, after: string) => (count: number) =>
  `${before.repeat(count)}${middle}${after.repeat(count)}`;

/** Conditions that grow: what a policy of `count` of them says is `true`. */
const GROWING: Readonly<Record<string, (count: number) => string>> = {
  brackets: buildNesting('(', 'true', ')'),
  '&&': buildChain(' && ', 'true'),
  '||': buildChain(' || ', 'true'),
  '+': (count) => `${buildChain(' + ', '1')(count)} > 0`,
  '*': (count) => `${buildChain(' * ', '1')(count)} > 0`,
  sets: (count) => `!(${buildNesting('[', '1', ']')(count)} == [])`,
  records: (count) =>
    `${buildNesting('{a: ', '1', '}')(count)} == ${buildNesting('{a: ', '1', '}')(count)}`,
  if: buildNesting('if true then ', 'true', ' else true'),
  'if in if': buildNesting('if ', 'true', ' then true else true'),
  negations: buildNesting('!(!(', 'true', '))'),
  members: (count) => `${buildNesting('{a: ', 'true', '}')(count)}${'.a'.repeat(count)}`,
  calls: (count) => `[1]${'.contains(1)'.repeat(count)}`,
  clauses: buildNesting('true } when { ', 'true', ''),
  'unknown sides': (count) => buildChain(' || ', 'context.hour > 1')(count),
};

const buildPolicyText = (condition: string): string =>
  `permit (principal, action, resource) when { ${condition} };`;

const isAccepted = (condition: string): boolean =>
  findExcessiveNesting(buildPolicyText(condition)) === undefined;

const findTallest = (grow: (count: number) => string): number => {
  let count = 1;
  while (count < 200 && isAccepted(grow(count + 1))) count += 1;
  return count;
};

describe.each(Object.entries(GROWING))('checkPolicy of a policy that grows by %s', (_, grow) => {
  it('rejects it above the maximum height', () => {
    expect(findTallest(grow)).toBeLessThan(60);
    const { faults } = checkPolicy({ name: 'any', cedar: buildPolicyText(grow(2_000)) });
    expect(faults.map(({ got }) => got)).toEqual(['a policy with deeper nesting or longer chains']);
  });

  it('accepts a height that Cedar can evaluate', async () => {
    const cedar = buildPolicyText(grow(findTallest(grow)));
    const policies = compilePolicies([
      { name: 'tall', cedar },
      { name: 'any', cedar: buildPolicyText('true') },
    ]);
    const parts = { policies, loadCatalog };
    const { outcome, reasons } = await evaluateRunPolicy(parts, buildRunRequest());
    expect([outcome, ...reasons].join()).toMatch(/^allow|TaskPolicy tall is invalid/);
    expect(['allow', 'deny']).toContain(
      (await evaluateAdmissionPolicy(parts, buildRunRequest())).outcome,
    );
  });
});

describe('checkPolicy of a long policy without nesting', () => {
  it.each([
    ['a long set', `[${buildChain(', ', '"abc"')(8_000)}].contains(context.action)`],
    ['a long set of members', `[${buildChain(', ', 'context.role')(4_000)}].contains("a")`],
    ['a long name', `principal is ${'a::'.repeat(20_000)}B`],
    ['brackets beside each other', buildChain(' && ', `(${buildChain(' && ', 'true')(20)})`)(20)],
    ['brackets in a string', `context.role == "${'('.repeat(1_000)}"`],
  ])('accepts %s', (_, condition) => {
    expect(isAccepted(condition)).toBe(true);
    checkPolicy({ name: 'any', cedar: buildPolicyText(condition) });
    expect(checkPolicy({ name: 'any', cedar: buildPolicyText('true') }).faults).toEqual([]);
  });

  it('accepts sixty policies', () => {
    const cedar = buildPolicyText(buildChain(' && ', 'true')(30)).repeat(60);
    expect(checkPolicy({ name: 'any', cedar }).faults).toEqual([]);
  });
});
