import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { loadAnyAction, reading, runOf, taskOf } from './fixtures/questions.ts';
import { judgePolicy } from './findings.ts';
import { openPolicies } from './policies.ts';
import { decide } from './run-decision.ts';

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

/** Whether a pattern whose only wildcard is `*` matches the whole text; told by nothing of ours. */
const matches = (pattern: string, text: string): boolean => {
  if (pattern === '') return text === '';
  if (pattern.startsWith('*')) {
    return matches(pattern.slice(1), text) || (text !== '' && matches(pattern, text.slice(1)));
  }
  return text.startsWith(pattern.charAt(0)) && matches(pattern.slice(1), text.slice(1));
};

const holds = (condition: Condition, resource: string): boolean => {
  if ('like' in condition) return matches(condition.like, resource);
  if ('equals' in condition) return condition.equals === resource;
  if ('fact' in condition) return condition.fact;
  if ('both' in condition) return condition.both.every((each) => holds(each, resource));
  return condition.either.some((each) => holds(each, resource));
};

/** Default deny; a forbid wins. */
const saysYes = (policies: readonly Policy[], resource: string): boolean => {
  const effects = policies
    .filter((each) => holds(each.when, resource) && !holds(each.unless, resource))
    .map(({ effect }) => effect);
  return effects.includes('permit') && !effects.includes('forbid');
};

const write = (condition: Condition): string => {
  if ('like' in condition) return `context.resource like "${condition.like}"`;
  if ('equals' in condition) return `context.resource == "${condition.equals}"`;
  if ('fact' in condition) return condition.fact ? 'context.hour == 13' : '!(context.hour == 13)';
  const [operator, [one, other]] =
    'both' in condition ? ['&&', condition.both] : ['||', condition.either];
  return `(${write(one)} ${operator} ${write(other)})`;
};

const cedarOf = ({ effect, when, unless }: Policy): string =>
  `${effect} (principal, action, resource) when { ${write(when)} } unless { ${write(unless)} };`;

const openAll = (policies: readonly Policy[]) =>
  openPolicies(policies.map((each, index) => ({ name: `${index}`, cedar: cedarOf(each) })));

const cedarSaysYes = async (policies: readonly Policy[], resource: string): Promise<boolean> => {
  const parts = { policies: openAll(policies), loadCatalogue: loadAnyAction };
  expect(parts.policies.blockers).toEqual([]);
  const { outcome } = await decide(parts, runOf({ task: taskOf({ allow: [reading(resource)] }) }));
  return outcome === 'allow';
};

const BEFORE = 'arn:aws:s3:::';

const like = fc
  .tuple(fc.constantFrom(BEFORE, BEFORE, '*'), fc.stringMatching(/^[ab/*]{1,5}$/))
  .map((texts) => ({ like: texts.join('') }));
const equals = fc.stringMatching(/^[ab/]{1,4}$/).map((text) => ({ equals: `${BEFORE}${text}` }));
const fact = fc.boolean().map((value) => ({ fact: value }));

const conditionOf = (leaf: fc.Arbitrary<Condition>): fc.Arbitrary<Condition> => {
  const pair = fc.tuple(leaf, leaf);
  const both = pair.map((two): Condition => ({ both: two }));
  const either = pair.map((two): Condition => ({ either: two }));
  const inner = fc.oneof(leaf, both, either);
  return fc.oneof(
    inner,
    fc.tuple(inner, inner).map((two): Condition => ({ either: two })),
  );
};

const free = conditionOf(fact);
const narrowing = conditionOf(fc.oneof({ weight: 4, arbitrary: like }, equals, fact));

/** What the validator lets through. */
const sound: fc.Arbitrary<Policy> = fc.oneof(
  fc.record({ effect: fc.constant('permit' as const), when: narrowing, unless: free }),
  fc.record({ effect: fc.constant('forbid' as const), when: free, unless: narrowing }),
);

const declared = fc.stringMatching(/^[ab/*?]{1,5}$/).map((text) => `${BEFORE}${text}`);
const filler = fc.array(fc.stringMatching(/^[ab/*?c]{0,3}$/), { minLength: 5, maxLength: 5 });

/** A resource that a declared pattern covers: each `*` is any text, each `?` one character. */
const cover = (pattern: string, fillers: readonly string[]): string =>
  Array.from(pattern, (character, index) => {
    const text = fillers[index - BEFORE.length] ?? '';
    if (character === '*') return text;
    return character === '?' ? text.charAt(0) || 'a' : character;
  }).join('');

const policies = fc.array(sound, { minLength: 1, maxLength: 4 });

describe('what policy says of a declared pattern', () => {
  test('is what an independent reading of it says', async () => {
    const check = async (all: readonly Policy[], pattern: string): Promise<void> =>
      expect(await cedarSaysYes(all, pattern)).toBe(saysYes(all, pattern));
    await fc.assert(fc.asyncProperty(policies, declared, check), { numRuns: 120 });
  }, 60_000);

  test('with a yes it says of every resource that the pattern covers', async () => {
    let yeses = 0;
    const check = async (
      all: readonly Policy[],
      pattern: string,
      fillers: readonly string[],
    ): Promise<void> => {
      fc.pre(/[*?]/.test(pattern) && saysYes(all, pattern));
      yeses += 1;
      const resource = cover(pattern, fillers);
      expect([await cedarSaysYes(all, pattern), saysYes(all, resource)]).toEqual([true, true]);
      expect(await cedarSaysYes(all, resource)).toBe(true);
    };
    await fc.assert(fc.asyncProperty(policies, declared, filler, check), { numRuns: 120 });
    expect(yeses).toBeGreaterThanOrEqual(120);
  }, 60_000);
});

describe('without the validator', () => {
  const unsound: fc.Arbitrary<Policy> = fc.oneof(
    fc.record({ effect: fc.constant('permit' as const), when: free, unless: narrowing }),
    fc.record({ effect: fc.constant('forbid' as const), when: narrowing, unless: free }),
  );

  test('a wider pattern escapes: the property above can fail', () => {
    const all = fc.tuple(sound, unsound);
    const check = (each: readonly Policy[], pattern: string, fillers: readonly string[]): boolean =>
      !saysYes(each, pattern) || saysYes(each, cover(pattern, fillers));
    const options = { numRuns: 20_000 };
    expect(fc.check(fc.property(all, declared, filler, check), options).failed).toBe(true);
  });

  test('and so the validator refuses every such policy that names the resource', () => {
    const check = (policy: Policy): void => {
      const cedar = cedarOf(policy);
      const { faults } = judgePolicy({ name: 'any', cedar });
      expect(faults.length).toBe(cedar.split('context.resource').length - 1);
    };
    fc.assert(fc.property(unsound, check), { numRuns: 300 });
  });
});
