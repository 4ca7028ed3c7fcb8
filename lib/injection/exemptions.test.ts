import { describe, expect, test } from '@jest/globals';
import { EXEMPTIBLE_RULES, type RuleExemption } from '../contract/platform.ts';
import type { FieldError } from '../schema/field-error.ts';
import { platform } from './fixtures/sample-platform.ts';
import { RULES } from './rules/rules.ts';
import { buildExemptionNotes, applyExemptions, type ExemptionOptions } from './exemptions.ts';

const buildViolation = (rule: string, changes: Partial<FieldError> = {}): FieldError => ({
  path: '/spec/x',
  expected: 'a',
  got: 'b',
  rule,
  ...changes,
});

const buildPlatform = (...exceptions: readonly RuleExemption[]) => ({
  ...platform,
  pods: { ...platform.pods, exceptions },
});

const applyDefaultExemptions = (
  faults: readonly FieldError[],
  terms: Partial<ExemptionOptions> = {},
) => applyExemptions(faults, { platform, namespace: 'research', ...terms });

describe('a breach', () => {
  test('refuses where nothing excuses it', () => {
    const faults = [
      buildViolation('3'),
      buildViolation('7'),
      { path: 'role', expected: 'a', got: 'b' },
    ];
    expect(applyDefaultExemptions(faults)).toEqual({ refusals: faults, exempted: [] });
  });

  test('is exempted by an exception for its rule in its namespace, and no other', () => {
    const settings = buildPlatform({ namespace: 'research', rule: '4' });
    const { refusals, exempted } = applyDefaultExemptions(
      [buildViolation('4'), buildViolation('3')],
      { platform: settings },
    );
    expect(refusals).toEqual([buildViolation('3')]);
    expect(exempted).toEqual([{ fault: buildViolation('4'), by: 'exception' }]);
    for (const namespace of ['researchers', 'other', undefined]) {
      expect(
        applyDefaultExemptions([buildViolation('4')], { platform: settings, namespace }).exempted,
      ).toEqual([]);
    }
  });

  test('of rule 7 is exempted while the namespace migrates, and of no other rule', () => {
    const labels = { 'valetkey.dev/mode': 'warn' };
    const rules = RULES.map(({ id }) => buildViolation(id));
    expect(applyDefaultExemptions(rules, { labels }).exempted).toEqual([
      { fault: buildViolation('7'), by: 'mode' },
    ]);
    const enforced = { labels: { 'valetkey.dev/mode': 'enforce' } };
    expect(applyDefaultExemptions(rules, enforced).exempted).toEqual([]);
    expect(applyDefaultExemptions(rules, { labels, namespace: undefined }).exempted).toEqual([]);
  });

  test.each<[string, FieldError]>([
    [
      'a container that targets the sidecar',
      buildViolation('9', { path: '/spec/ephemeralContainers/0/targetContainerName' }),
    ],
    [
      'a variable that only injection sets',
      buildViolation('7', { expected: 'no value here: injection sets it for every consumer' }),
    ],
  ])('is never exempted: %s', (_, fault) => {
    const settings = buildPlatform(
      { namespace: 'research', rule: '7' },
      { namespace: 'research', rule: '9' },
    );
    const labels = { 'valetkey.dev/mode': 'warn' };
    expect(applyDefaultExemptions([fault], { platform: settings, labels }).refusals).toEqual([
      fault,
    ]);
  });
});

describe('what is exempted', () => {
  test('is told to whoever asks, and to the audit log by rule', () => {
    const { exempted } = applyDefaultExemptions(
      [buildViolation('4'), buildViolation('7'), buildViolation('4', { path: '/spec/y' })],
      {
        platform: buildPlatform({ namespace: 'research', rule: '4' }),
        labels: { 'valetkey.dev/mode': 'warn' },
      },
    );
    expect(buildExemptionNotes(exempted)).toEqual({
      warnings: [
        'exempted by the platform: /spec/x: expected a, got b (rule 4)',
        'refused once valetkey.dev/mode is no longer warn: /spec/x: expected a, got b (rule 7)',
        'exempted by the platform: /spec/y: expected a, got b (rule 4)',
      ],
      auditAnnotations: { exceptions: '4', warned: '7' },
    });
  });

  test('is cut where it is long, and silent where there is nothing', () => {
    const faults = Array.from({ length: 12 }, (_, index) =>
      buildViolation('4', { path: `/${index}` }),
    );
    const { exempted } = applyDefaultExemptions(faults, {
      platform: buildPlatform({ namespace: 'research', rule: '4' }),
    });
    const { warnings } = buildExemptionNotes(exempted);
    expect(warnings).toHaveLength(11);
    expect(warnings.at(-1)).toBe('and 2 more exempted violations');
    expect(buildExemptionNotes([])).toEqual({ warnings: [], auditAnnotations: {} });
  });
});

describe('the table of rules', () => {
  test('says of each rule that may be excepted what that costs, and of no other', () => {
    const costly = RULES.filter(({ exemptionRisk }) => exemptionRisk !== undefined);
    expect(costly.map(({ id }) => id)).toEqual([...EXEMPTIBLE_RULES]);
  });
});
