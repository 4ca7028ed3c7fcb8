import { describe, expect, it } from '@jest/globals';

import { formatFieldError } from '../schema/field-error.ts';
import { compilePolicies } from './compiled-policies.ts';
import { checkWrittenPolicy } from './policy-findings.ts';

const check = (cedar: string) => {
  const { faults, warnings } = checkWrittenPolicy({ name: 'a', cedar }, { atMs: 0, vend: 'free' });
  return { faults: faults.map(formatFieldError), warnings };
};
const build = (annotation: string, condition = 'context.approvals.contains("data-owners")') =>
  `${annotation} forbid (principal, action, resource) unless { ${condition} };`;
const readGroups = (cedar: string) => compilePolicies([{ name: 'a', cedar }]).approvals;

describe('@approval', () => {
  it.each([
    ['@approval("data-owners")', { name: 'data-owners', quorum: 1 }],
    ['@approval("data-owners/2")', { name: 'data-owners', quorum: 2 }],
  ])('%s names a group and how many of it', (annotation, group) => {
    expect(readGroups(build(annotation))).toEqual({ 'a/0': group });
    expect(check(build(annotation))).toEqual({ faults: [], warnings: [] });
  });

  it.each(['""', '"Data Owners"', '"a/0"', '"a/10"', '"a/b"', '"*"', '"a/2/3"'])(
    'is refused as %s, and asks no one if the webhook was down',
    (text) => {
      const cedar = build(`@approval(${text})`);
      expect(check(cedar).faults.join()).toContain('expected @approval("group")');
      expect(readGroups(cedar)).toEqual({});
    },
  );

  it('is refused on a permit', () => {
    const cedar = '@approval("a") permit (principal, action, resource);';
    expect(check(cedar).faults.join()).toContain('expected a forbid');
    expect(readGroups(cedar)).toEqual({});
  });

  it.each([
    ['no condition', '@approval("data-owners") forbid (principal, action, resource);'],
    ['the condition of another group', build('@approval("others")')],
    ['a condition about something else', build('@approval("data-owners")', 'context.hour == 1')],
  ])('warns about %s', (_, cedar) => {
    expect(check(cedar).warnings.join()).toContain('asks no one without unless');
  });

  it('finds its condition within others', () => {
    const nested =
      'context.hour < 9 || (context has user && context.approvals.contains("data-owners"))';
    expect(check(build('@approval("data-owners")', nested)).warnings).toEqual([]);
  });
});
