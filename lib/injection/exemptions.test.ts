import { describe, expect, it } from '@jest/globals';
import { EXEMPTIBLE_RULES, type RuleExemption } from '../contract/platform.ts';
import type { FieldError } from '../schema/field-error.ts';
import { platform } from './fixtures/sample-platform.ts';
import { RULES } from './rules/rules.ts';
import {
  applyExemptions,
  buildExemptionNotes,
  listAllowedViolations,
  listExemptedRules,
  type ExemptionOptions,
} from './exemptions.ts';
import { NO_OTHER_AUDIENCE, NO_OTHER_IDENTITY, NO_OTHER_PREFIX } from './rules/other-clouds.ts';

const buildViolation = (rule: string, changes: Partial<FieldError> = {}): FieldError => ({
  path: '/spec/x',
  expected: 'a',
  got: 'b',
  rule,
  ...changes,
});

const buildPlatform = (...ruleExemptions: readonly RuleExemption[]) => ({
  ...platform,
  pods: { ...platform.pods, ruleExemptions },
});

const applyDefaultExemptions = (
  faults: readonly FieldError[],
  options: Partial<ExemptionOptions> = {},
) => applyExemptions(faults, { platform, namespace: 'research', ...options });

describe('applyExemptions', () => {
  it('refuses a violation without an exemption', () => {
    const faults = [
      buildViolation('3'),
      buildViolation('7'),
      { path: 'role', expected: 'a', got: 'b' },
    ];
    expect(applyDefaultExemptions(faults)).toEqual({ refusals: faults, exempted: [] });
  });

  it('exempts a violation of this rule in this namespace only', () => {
    const settings = buildPlatform({ namespace: 'research', rule: '4' });
    const { refusals, exempted } = applyDefaultExemptions(
      [buildViolation('4'), buildViolation('3')],
      { platform: settings },
    );
    expect(refusals).toEqual([buildViolation('3')]);
    expect(exempted).toEqual([{ fault: buildViolation('4'), by: 'exemption' }]);
    for (const namespace of ['researchers', 'other', undefined]) {
      expect(
        applyDefaultExemptions([buildViolation('4')], { platform: settings, namespace }).exempted,
      ).toEqual([]);
    }
  });

  it('exempts violations of rule 7 only while the namespace migrates', () => {
    const labels = { 'valetkey.dev/mode': 'warn' };
    const rules = RULES.map(({ id }) => buildViolation(id));
    expect(applyDefaultExemptions(rules, { labels }).exempted).toEqual([
      { fault: buildViolation('7'), by: 'mode' },
    ]);
    const enforced = { labels: { 'valetkey.dev/mode': 'enforce' } };
    expect(applyDefaultExemptions(rules, enforced).exempted).toEqual([]);
    expect(applyDefaultExemptions(rules, { labels, namespace: undefined }).exempted).toEqual([]);
  });

  it('exempts credentials of other clouds in every namespace if the platform allows them', () => {
    const faults = [
      buildViolation('5', NO_OTHER_AUDIENCE),
      buildViolation('7', NO_OTHER_IDENTITY),
      buildViolation('7', NO_OTHER_PREFIX),
    ];
    const pods = { ...platform.pods, otherClouds: 'allow' as const };
    const options = { platform: { ...platform, pods }, namespace: undefined };
    const { refusals, exempted } = applyDefaultExemptions(
      [...faults, buildViolation('7')],
      options,
    );
    expect(refusals).toEqual([buildViolation('7')]);
    expect(exempted).toEqual(faults.map((fault) => ({ fault, by: 'otherClouds' })));
    expect(listExemptedRules(exempted)).toEqual({ exemptions: [], warned: [] });
    expect(applyDefaultExemptions(faults).refusals).toEqual(faults);
  });

  it('exempts keys of other services in every namespace while pods.foreignKeys is warn', () => {
    const foreign = buildViolation('7', { code: 'foreign_key' });
    const faults = [foreign, buildViolation('7')];
    const apply = (foreignKeys: 'warn' | 'refuse') =>
      applyDefaultExemptions(faults, {
        platform: { ...platform, pods: { ...platform.pods, foreignKeys } },
        namespace: undefined,
      });
    const { refusals, exempted } = apply('warn');
    expect(refusals).toEqual([buildViolation('7')]);
    expect(exempted).toEqual([{ fault: foreign, by: 'foreignKeys' }]);
    expect(listExemptedRules(exempted)).toEqual({ exemptions: [], warned: [] });
    expect(listAllowedViolations(exempted)).toEqual([
      'refused with pods.foreignKeys: refuse: /spec/x: expected a, got b (rule 7)',
    ]);
    expect(apply('refuse')).toEqual({ refusals: faults, exempted: [] });
  });

  it('knows a credential of another cloud by the code of its error, whatever the text says', () => {
    const pods = { ...platform.pods, otherClouds: 'allow' as const };
    const reworded = buildViolation('7', { expected: 'another text', code: 'other_cloud' });
    const alike = buildViolation('7', { expected: NO_OTHER_IDENTITY.expected });
    const options = { platform: { ...platform, pods } };
    const { refusals, exempted } = applyDefaultExemptions([reworded, alike], options);
    expect(refusals).toEqual([alike]);
    expect(exempted).toEqual([{ fault: reworded, by: 'otherClouds' }]);
  });

  it.each<[string, FieldError]>([
    [
      'a container that targets the sidecar',
      buildViolation('9', { path: '/spec/ephemeralContainers/0/targetContainerName' }),
    ],
    ['a variable that only injection sets', buildViolation('7', { code: 'reserved_variable' })],
  ])('never exempts %s', (_, fault) => {
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

describe('buildExemptionNotes', () => {
  it('warns the user and annotates the audit log by rule', () => {
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
      auditAnnotations: { exemptions: '4', warned: '7' },
    });
  });

  it('limits the number of warnings, and returns none without exemptions', () => {
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

describe('RULES', () => {
  it('state the risk of an exemption for exactly the rules that have one', () => {
    const costly = RULES.filter(({ exemptionRisk }) => exemptionRisk !== undefined);
    expect(costly.map(({ id }) => id)).toEqual([...EXEMPTIBLE_RULES]);
  });
});
