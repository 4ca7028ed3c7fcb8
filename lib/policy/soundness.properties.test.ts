import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import {
  loadAnyActionCatalog,
  buildReadStatement,
  buildRunRequest,
  buildReportTask,
} from './fixtures/policy-requests.ts';
import { checkPolicy } from './policy-findings.ts';
import { compilePolicies } from './compiled-policies.ts';
import { evaluateRunPolicy } from './run-decision.ts';

/** A condition as this test reads it, beside what Cedar makes of its text. */
type Condition =
  | { readonly like: string }
  | { readonly equals: string }
  | { readonly fact: boolean }
  | { readonly both: readonly [Condition, Condition] }
  | { readonly either: readonly [Condition, Condition] };

type Policy = {
  readonly effect: 'permit' | 'forbid';
  readonly when: Condition;
  readonly unless: Condition;
};

/** Whether a pattern whose only wildcard is `*` matches the whole text, independently of the product. */
const matchPattern = (pattern: string, text: string): boolean => {
  if (pattern === '') return text === '';
  if (pattern.startsWith('*')) {
    return (
      matchPattern(pattern.slice(1), text) || (text !== '' && matchPattern(pattern, text.slice(1)))
    );
  }
  return text.startsWith(pattern.charAt(0)) && matchPattern(pattern.slice(1), text.slice(1));
};

const isConditionTrue = (condition: Condition, resource: string): boolean => {
  if ('like' in condition) return matchPattern(condition.like, resource);
  if ('equals' in condition) return condition.equals === resource;
  if ('fact' in condition) return condition.fact;
  if ('both' in condition) return condition.both.every((each) => isConditionTrue(each, resource));
  return condition.either.some((each) => isConditionTrue(each, resource));
};

/** Default deny; a forbid wins. */
const isAllowed = (policies: readonly Policy[], resource: string): boolean => {
  const effects = policies
    .filter(
      (each) => isConditionTrue(each.when, resource) && !isConditionTrue(each.unless, resource),
    )
    .map(({ effect }) => effect);
  return effects.includes('permit') && !effects.includes('forbid');
};

const formatCondition = (condition: Condition): string => {
  if ('like' in condition) return `context.resource like "${condition.like}"`;
  if ('equals' in condition) return `context.resource == "${condition.equals}"`;
  if ('fact' in condition) return condition.fact ? 'context.hour == 13' : '!(context.hour == 13)';
  const [operator, [one, other]] =
    'both' in condition ? ['&&', condition.both] : ['||', condition.either];
  return `(${formatCondition(one)} ${operator} ${formatCondition(other)})`;
};

const formatPolicy = ({ effect, when, unless }: Policy): string =>
  `${effect} (principal, action, resource) when { ${formatCondition(when)} } unless { ${formatCondition(unless)} };`;

const compileAll = (policies: readonly Policy[]) =>
  compilePolicies(policies.map((each, index) => ({ name: `${index}`, cedar: formatPolicy(each) })));

const isAllowedByCedar = async (
  policies: readonly Policy[],
  resource: string,
): Promise<boolean> => {
  const parts = { policies: compileAll(policies), loadCatalog: loadAnyActionCatalog };
  expect(parts.policies.blockers).toEqual([]);
  const { outcome } = await evaluateRunPolicy(
    parts,
    buildRunRequest({ task: buildReportTask({ allow: [buildReadStatement(resource)] }) }),
  );
  return outcome === 'allow';
};

const BEFORE = 'arn:aws:s3:::';

const like = fc
  .tuple(fc.constantFrom(BEFORE, BEFORE, '*'), fc.stringMatching(/^[ab/*]{1,5}$/))
  .map((texts) => ({ like: texts.join('') }));
const equals = fc.stringMatching(/^[ab/]{1,4}$/).map((text) => ({ equals: `${BEFORE}${text}` }));
const fact = fc.boolean().map((value) => ({ fact: value }));

const conditionArbitrary = (leaf: fc.Arbitrary<Condition>): fc.Arbitrary<Condition> => {
  const pair = fc.tuple(leaf, leaf);
  const both = pair.map((two): Condition => ({ both: two }));
  const either = pair.map((two): Condition => ({ either: two }));
  const inner = fc.oneof(leaf, both, either);
  return fc.oneof(
    inner,
    fc.tuple(inner, inner).map((two): Condition => ({ either: two })),
  );
};

const free = conditionArbitrary(fact);
const narrowing = conditionArbitrary(fc.oneof({ weight: 4, arbitrary: like }, equals, fact));

/** What the validator lets through. */
const sound: fc.Arbitrary<Policy> = fc.oneof(
  fc.record({ effect: fc.constant('permit' as const), when: narrowing, unless: free }),
  fc.record({ effect: fc.constant('forbid' as const), when: free, unless: narrowing }),
);

const declared = fc.stringMatching(/^[ab/*?]{1,5}$/).map((text) => `${BEFORE}${text}`);
const filler = fc.array(fc.stringMatching(/^[ab/*?c]{0,3}$/), { minLength: 5, maxLength: 5 });

/** A resource that a declared pattern covers: each `*` is any text, each `?` one character. */
const fillPattern = (pattern: string, fillers: readonly string[]): string =>
  Array.from(pattern, (character, index) => {
    const text = fillers[index - BEFORE.length] ?? '';
    if (character === '*') return text;
    return character === '?' ? text.charAt(0) || 'a' : character;
  }).join('');

const policies = fc.array(sound, { minLength: 1, maxLength: 4 });

describe('the decision on a declared pattern', () => {
  it('equals that of an independent evaluator', async () => {
    const check = async (all: readonly Policy[], pattern: string): Promise<void> =>
      expect(await isAllowedByCedar(all, pattern)).toBe(isAllowed(all, pattern));
    await fc.assert(fc.asyncProperty(policies, declared, check), { numRuns: 120 });
  }, 60_000);

  it('allows every resource that an allowed pattern covers', async () => {
    let yeses = 0;
    const check = async (
      all: readonly Policy[],
      pattern: string,
      fillers: readonly string[],
    ): Promise<void> => {
      fc.pre(/[*?]/.test(pattern) && isAllowed(all, pattern));
      yeses += 1;
      const resource = fillPattern(pattern, fillers);
      expect([await isAllowedByCedar(all, pattern), isAllowed(all, resource)]).toEqual([
        true,
        true,
      ]);
      expect(await isAllowedByCedar(all, resource)).toBe(true);
    };
    await fc.assert(fc.asyncProperty(policies, declared, filler, check), { numRuns: 120 });
    expect(yeses).toBeGreaterThanOrEqual(120);
  }, 60_000);
});

describe('a policy that the validator rejects', () => {
  const unsound: fc.Arbitrary<Policy> = fc.oneof(
    fc.record({ effect: fc.constant('permit' as const), when: free, unless: narrowing }),
    fc.record({ effect: fc.constant('forbid' as const), when: narrowing, unless: free }),
  );

  it('can be bypassed by a wider pattern, so the property above can fail', () => {
    const all = fc.tuple(sound, unsound);
    const check = (each: readonly Policy[], pattern: string, fillers: readonly string[]): boolean =>
      !isAllowed(each, pattern) || isAllowed(each, fillPattern(pattern, fillers));
    const options = { numRuns: 20_000 };
    expect(fc.check(fc.property(all, declared, filler, check), options).failed).toBe(true);
  });

  it('is rejected whenever it uses the resource', () => {
    const check = (policy: Policy): void => {
      const cedar = formatPolicy(policy);
      const { faults } = checkPolicy({ name: 'any', cedar });
      expect(faults.length).toBe(cedar.split('context.resource').length - 1);
    };
    fc.assert(fc.property(unsound, check), { numRuns: 300 });
  });
});
