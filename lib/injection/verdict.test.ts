import { describe, expect, test } from '@jest/globals';
import { EXCEPTABLE_RULES, type PodException } from '../contract/platform.ts';
import type { Fault } from '../reading/fault.ts';
import { platform } from './fixtures/platform.ts';
import { RULES } from './rules/rules.ts';
import { describeExcused, judgeBreaches, type VerdictTerms } from './verdict.ts';

const breach = (rule: string, changes: Partial<Fault> = {}): Fault => ({
  path: '/spec/x',
  expected: 'a',
  got: 'b',
  rule,
  ...changes,
});

const excepting = (...exceptions: readonly PodException[]) => ({
  ...platform,
  pods: { ...platform.pods, exceptions },
});

const verdictOn = (faults: readonly Fault[], terms: Partial<VerdictTerms> = {}) =>
  judgeBreaches(faults, { platform, namespace: 'research', ...terms });

describe('a breach', () => {
  test('refuses where nothing excuses it', () => {
    const faults = [breach('3'), breach('7'), { path: 'role', expected: 'a', got: 'b' }];
    expect(verdictOn(faults)).toEqual({ refusals: faults, excused: [] });
  });

  test('is excused by an exception for its rule in its namespace, and no other', () => {
    const settings = excepting({ namespace: 'research', rule: '4' });
    const { refusals, excused } = verdictOn([breach('4'), breach('3')], { platform: settings });
    expect(refusals).toEqual([breach('3')]);
    expect(excused).toEqual([{ fault: breach('4'), by: 'exception' }]);
    for (const namespace of ['researchers', 'other', undefined]) {
      expect(verdictOn([breach('4')], { platform: settings, namespace }).excused).toEqual([]);
    }
  });

  test('of rule 7 is excused while the namespace migrates, and of no other rule', () => {
    const labels = { 'valetkey.dev/mode': 'warn' };
    const rules = RULES.map(({ id }) => breach(id));
    expect(verdictOn(rules, { labels }).excused).toEqual([{ fault: breach('7'), by: 'mode' }]);
    const enforced = { labels: { 'valetkey.dev/mode': 'enforce' } };
    expect(verdictOn(rules, enforced).excused).toEqual([]);
    expect(verdictOn(rules, { labels, namespace: undefined }).excused).toEqual([]);
  });

  test.each<[string, Fault]>([
    [
      'a container that targets the sidecar',
      breach('9', { path: '/spec/ephemeralContainers/0/targetContainerName' }),
    ],
    [
      'a variable that only injection sets',
      breach('7', { expected: 'nothing set here: injection sets it for every consumer' }),
    ],
  ])('is never excused: %s', (_, fault) => {
    const settings = excepting(
      { namespace: 'research', rule: '7' },
      { namespace: 'research', rule: '9' },
    );
    const labels = { 'valetkey.dev/mode': 'warn' };
    expect(verdictOn([fault], { platform: settings, labels }).refusals).toEqual([fault]);
  });
});

describe('what is excused', () => {
  test('is told to whoever asks, and to the audit log by rule', () => {
    const { excused } = verdictOn([breach('4'), breach('7'), breach('4', { path: '/spec/y' })], {
      platform: excepting({ namespace: 'research', rule: '4' }),
      labels: { 'valetkey.dev/mode': 'warn' },
    });
    expect(describeExcused(excused)).toEqual({
      warnings: [
        'excepted by the platform: /spec/x: expected a, got b (rule 4)',
        'refused once valetkey.dev/mode is no longer warn: /spec/x: expected a, got b (rule 7)',
        'excepted by the platform: /spec/y: expected a, got b (rule 4)',
      ],
      auditAnnotations: { exceptions: '4', warned: '7' },
    });
  });

  test('is cut where it is long, and silent where there is nothing', () => {
    const faults = Array.from({ length: 12 }, (_, index) => breach('4', { path: `/${index}` }));
    const { excused } = verdictOn(faults, {
      platform: excepting({ namespace: 'research', rule: '4' }),
    });
    const { warnings } = describeExcused(excused);
    expect(warnings).toHaveLength(11);
    expect(warnings.at(-1)).toBe('and 2 more breaches are excused');
    expect(describeExcused([])).toEqual({ warnings: [], auditAnnotations: {} });
  });
});

describe('the table of rules', () => {
  test('says of each rule that may be excepted what that costs, and of no other', () => {
    const costly = RULES.filter(({ exceptionCosts }) => exceptionCosts !== undefined);
    expect(costly.map(({ id }) => id)).toEqual([...EXCEPTABLE_RULES]);
  });
});
