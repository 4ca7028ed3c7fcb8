import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { compilePolicies } from './compiled-policies.ts';
import { evaluateAdmissionPolicy } from './admission-decision.ts';
import type { RunPolicyRequest } from './decision.ts';
import { buildReportTask, buildRunRequest, loadCatalog } from './fixtures/policy-requests.ts';
import { evaluateRunPolicy } from './run-decision.ts';
import { STARTER_POLICY } from './starter-policy.ts';

const REASON = 'a client that cannot sign';
const UNTIL = '2026-01-31';
const LAST_MOMENT = Date.UTC(2026, 1, 1) - 1;

const annotate = (annotations: string, effect = 'permit', condition = 'true'): string =>
  `${annotations} ${effect} (principal, action, resource) when { ${condition} };`;
const EXCEPTION = annotate(`@until("${UNTIL}") @reason("${REASON}")`);

const compileText = (cedar: string) => compilePolicies([{ name: 'team', cedar }]);
type Change = Partial<RunPolicyRequest>;
const decide = (cedar: string, change: Change = {}) => {
  const request = buildRunRequest({ vend: 'exception', ...change });
  return evaluateRunPolicy({ policies: compileText(cedar), loadCatalog }, request);
};
const admit = (cedar: string, change: Change = {}) => {
  const request = buildRunRequest({ vend: 'exception', ...change });
  return evaluateAdmissionPolicy({ policies: compileText(cedar), loadCatalog }, request);
};
const signing = buildReportTask({ delivery: 'sign' });

describe.each([
  ['a run', decide],
  ['an admission', admit],
])('%s with delivery vend while policy.vend is exception', (_, evaluate) => {
  it('is allowed by a permit with @until ahead and a @reason', async () => {
    expect(await evaluate(EXCEPTION)).toMatchObject({ outcome: 'allow', policies: ['team/0'] });
  });

  it.each([
    ['no annotation', annotate('')],
    ['no @reason', annotate(`@until("${UNTIL}")`)],
    ['an empty @reason', annotate(`@until("${UNTIL}") @reason("")`)],
    ['a @reason without a text', annotate(`@until("${UNTIL}") @reason`)],
    ['a @reason that is too long', annotate(`@until("${UNTIL}") @reason("${'x'.repeat(257)}")`)],
    ['no @until', annotate(`@reason("${REASON}")`)],
    ['an @until that is no day', annotate(`@until("2026-01-32") @reason("${REASON}")`)],
    ['an @until that has passed', annotate(`@until("2026-01-04") @reason("${REASON}")`)],
    ['an @until that no webhook accepts', annotate(`@until("2099-01-01") @reason("${REASON}")`)],
  ])(
    'is denied by a permit with %s, which is not invalid, and says what to do',
    async (_what, cedar) => {
      const { outcome, policies, reasons } = await evaluate(cedar);
      expect([outcome, policies]).toEqual(['deny', []]);
      expect(reasons.join()).toMatch(/current @until and a @reason count; use delivery: sign$/);
      expect(compileText(cedar).blockers).toEqual([]);
      expect((await evaluate(cedar, { vend: 'free' })).outcome).toBe('allow');
      expect((await evaluate(cedar, { task: signing })).outcome).toBe('allow');
    },
  );

  it('counts an exception until the end of its day in UTC, without a new compilation', async () => {
    const policies = compileText(EXCEPTION);
    const evaluateAt = async (atMs: number) => {
      const request = buildRunRequest({ vend: 'exception', atMs });
      const decision =
        evaluate === decide
          ? await evaluateRunPolicy({ policies, loadCatalog }, request)
          : await evaluateAdmissionPolicy({ policies, loadCatalog }, request);
      return decision.outcome;
    };
    expect(await evaluateAt(LAST_MOMENT)).toBe('allow');
    expect(await evaluateAt(LAST_MOMENT + 1)).toBe('deny');
    expect(await evaluateAt(LAST_MOMENT)).toBe('allow');
  });

  it('is denied by a forbid without any annotation', async () => {
    const forbid = annotate('', 'forbid', 'context.delivery == "vend"');
    expect(await evaluate(`${EXCEPTION}\n${forbid}`)).toMatchObject({
      outcome: 'deny',
      policies: ['team/1'],
    });
  });

  it('is denied by a forbid whose @until has passed: it does not lapse', async () => {
    const forbid = annotate(`@until("2026-01-01") @reason("${REASON}")`, 'forbid');
    expect(await evaluate(`${EXCEPTION}\n${forbid}`)).toMatchObject({ policies: ['team/1'] });
  });

  it('is denied by the starter policy, which permits delivery sign', async () => {
    const namespaceLabels = { 'valetkey.dev/tasks': 'allowed' };
    const principal = { ...buildRunRequest().principal, namespaceLabels };
    expect((await evaluate(STARTER_POLICY, { principal })).outcome).toBe('deny');
    expect((await evaluate(STARTER_POLICY, { principal, task: signing })).outcome).toBe('allow');
  });

  it('can be decided by context.delivery', async () => {
    const cedar = annotate(
      `@until("${UNTIL}") @reason("${REASON}")`,
      'permit',
      'context.delivery == "vend"',
    );
    expect((await evaluate(cedar)).outcome).toBe('allow');
    expect((await evaluate(cedar, { task: signing })).outcome).toBe('deny');
  });
});

describe('evaluateRunPolicy of both deliveries in turn', () => {
  it('never decides one by the policies of the other', async () => {
    const policies = compileText(annotate(''));
    const outcomes = [];
    for (const task of [signing, buildReportTask(), signing, buildReportTask()]) {
      const request = buildRunRequest({ vend: 'exception', task });
      outcomes.push((await evaluateRunPolicy({ policies, loadCatalog }, request)).outcome);
    }
    expect(outcomes).toEqual(['allow', 'deny', 'allow', 'deny']);
  });

  it('names the same version for both: that of the complete set', async () => {
    const { version } = compileText(EXCEPTION);
    expect((await decide(EXCEPTION)).version).toBe(version);
    expect((await decide(EXCEPTION, { task: signing })).version).toBe(version);
  });
});

describe('every run with delivery vend while policy.vend is exception', () => {
  const DAY_MS = 86_400_000;
  const today = Date.UTC(2026, 0, 5);
  const toDay = (offset: number) => new Date(today + offset * DAY_MS).toISOString().slice(0, 10);

  const policy = fc.record({
    effect: fc.constantFrom('permit', 'forbid'),
    applies: fc.boolean(),
    until: fc.option(fc.integer({ min: -100, max: 100 }), { nil: undefined }),
    reason: fc.option(fc.constantFrom('', REASON), { nil: undefined }),
  });
  const request = fc.record({
    vend: fc.constantFrom('exception' as const, 'free' as const),
    delivery: fc.constantFrom('vend' as const, 'sign' as const),
    hoursLater: fc.integer({ min: 0, max: 23 }),
  });

  it('is allowed if and only if a permit that counts applies and no forbid does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(policy, { minLength: 1, maxLength: 6 }),
        request,
        async (all, { vend, delivery, hoursLater }) => {
          const texts = all.map(({ effect, applies, until, reason }) => {
            const day = until === undefined ? '' : `@until("${toDay(until)}")`;
            const why = reason === undefined ? '' : `@reason("${reason}")`;
            return annotate(
              `${day} ${why}`,
              effect,
              `context.delivery == "${applies ? delivery : 'x'}"`,
            );
          });
          const isExcepted = vend === 'free' || delivery === 'sign';
          const isPermitted = all.some(
            ({ effect, applies, until = -1, reason }) =>
              effect === 'permit' &&
              applies &&
              (isExcepted || (reason === REASON && until >= 0 && until <= 90)),
          );
          const isForbidden = all.some(({ effect, applies }) => effect === 'forbid' && applies);
          const change = {
            vend,
            task: buildReportTask({ delivery }),
            atMs: today + hoursLater * 3_600_000,
          };
          const expected = isPermitted && !isForbidden ? 'allow' : 'deny';
          expect((await decide(texts.join('\n'), change)).outcome).toBe(expected);
          expect((await admit(texts.join('\n'), change)).outcome).toBe(expected);
        },
      ),
      { numRuns: 100 },
    );
  });
});
