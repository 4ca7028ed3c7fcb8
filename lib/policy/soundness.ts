import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Finding } from './source.ts';
import {
  attributeOfContext,
  childrenOf,
  comparisonOfResource,
  operand,
  partsOf,
  presenceInContext,
  type Comparison,
  type Expr,
} from './syntax.ts';

/** The way to write it instead, and what it is. */
type Advice = { readonly expected: string; readonly got: string };

/** Where an expression stands: a yes needs it, or why a wider pattern could escape it. */
type Place = 'needed' | keyof typeof ESCAPES;

const ESCAPES = {
  when: {
    expected: '`unless { context.resource like "<what is allowed>*" }` in a forbid',
    got: '`context.resource` in the `when` of a forbid: a wider declared pattern escapes it',
  },
  unless: {
    expected: '`when { context.resource like "<what is allowed>*" }` in a permit',
    got: '`context.resource` in the `unless` of a permit: a wider declared pattern escapes it',
  },
  negated: {
    expected:
      'what is allowed, in a permit\'s `when` or in `forbid … unless { context.resource like "…*" }`',
    got: '`context.resource` under a negation: a wider declared pattern escapes it',
  },
  conditional: {
    expected: 'conditions joined by `&&` and `||`, or two policies',
    got: '`context.resource` under `if`',
  },
  operand: {
    expected: '`context.resource like "…*"` or `context.resource == "…"`, joined by `&&` and `||`',
    got: '`context.resource` in another place than left of `like` or `==`',
  },
} as const satisfies Record<string, Advice>;

const ADVICE = {
  pattern: {
    expected: 'a `like` pattern whose only wildcard is `*`, which is never escaped',
    got: 'a pattern with `?` or `\\*`, which a declared pattern holds as its own wildcards',
  },
  wildcard: {
    expected: '`like` for a pattern; `==` compares with an ARN without `*` and `?`',
    got: '`context.resource ==` a literal with wildcards',
  },
  literal: {
    expected: 'a string literal on the right: `context.resource == "…"`',
    got: '`context.resource ==` something else',
  },
  presence: {
    expected: 'nothing: a request always has a resource',
    got: '`context has resource`',
  },
  context: {
    expected: 'one attribute of it, such as `context.action`',
    got: '`context` as a whole, which holds the resource',
  },
  unknown: {
    expected:
      'a condition on what the schema holds; what is not known at admission is seen to already',
    got: '`unknown()`',
  },
} as const satisfies Record<string, Advice>;

/** How each word is written where it means what it says; anything in quotes is read over. */
const WORDS = {
  resource:
    /\bcontext\s*(?:\.\s*resource\b|\[\s*"resource"\s*\]|has\s+resource\b)|"(?:[^"\\]|\\[^])*"/g,
  context: /\bcontext\b(?!\s*(?:[.[]|has\b))|"(?:[^"\\]|\\[^])*"/g,
  unknown: /\bunknown\b|"(?:[^"\\]|\\[^])*"/g,
} as const;

type Word = keyof typeof WORDS;

/**
 * Finds every use of `context.resource` where a policy could say yes to a declared pattern and no to
 * a resource that it covers. `like` compares with the pattern's own text: that is a subset check
 * only where a yes needs it to hold.
 *
 * The syntax tree has no positions, but its words stand in the order of the text.
 *
 * @param text the policy's own, without comments
 */
export const findUnsound = (policy: PolicyJson, text: string): readonly Finding[] => {
  const found: Finding[] = [];
  const unmet = {
    resource: offsetsOf('resource', text),
    context: offsetsOf('context', text),
    unknown: offsetsOf('unknown', text),
  };
  const meet = (word: Word, advice?: Advice): void => {
    const offset = unmet[word].shift() ?? 0;
    if (advice !== undefined) found.push({ offset, ...advice });
  };
  for (const { kind, body } of policy.conditions) walk(body, placeOf(policy, kind), meet);
  return found;
};

const offsetsOf = (word: Word, text: string): number[] =>
  [...text.matchAll(WORDS[word])].flatMap(({ 0: match, index }) =>
    match.startsWith('"') ? [] : [index],
  );

type Meet = (word: Word, advice?: Advice) => void;

const placeOf = ({ effect }: PolicyJson, kind: 'when' | 'unless'): Place => {
  if (effect === 'permit') return kind === 'when' ? 'needed' : 'unless';
  return kind === 'unless' ? 'needed' : 'when';
};

const walk = (expr: Expr, place: Place, meet: Meet): void => {
  const comparison = place === 'needed' ? comparisonOfResource(expr) : undefined;
  if (comparison !== undefined) {
    meet('resource', judgeComparison(comparison));
    const right = operand(expr, '==', 'right');
    if (right !== undefined) walk(right as Expr, 'operand', meet);
  } else if (!meetWord(expr, place, meet)) {
    const inner = placeInside(expr, place);
    for (const child of childrenOf(expr)) walk(child, inner, meet);
  }
};

/** @returns whether nothing of the expression is left to walk */
const meetWord = (expr: Expr, place: Place, meet: Meet): boolean => {
  const [operator, operands] = partsOf(expr);
  const attribute = attributeOfContext(expr);
  const presence = presenceInContext(expr);
  if (attribute === 'resource') meet('resource', ESCAPES[judgedAs(place)]);
  if (presence === 'resource') meet('resource', ADVICE.presence);
  if (operator === 'Var' && operands === 'context') meet('context', ADVICE.context);
  if (operator === 'unknown') meet('unknown', ADVICE.unknown);
  return attribute !== undefined || presence !== undefined;
};

const judgedAs = (place: Place): keyof typeof ESCAPES => (place === 'needed' ? 'operand' : place);

const placeInside = (expr: Expr, place: Place): Place => {
  const [operator] = partsOf(expr);
  if (place !== 'needed' || operator === '&&' || operator === '||') return place;
  if (operator === '!' || operator === '!=') return 'negated';
  return operator === 'if-then-else' ? 'conditional' : 'operand';
};

const judgeComparison = (comparison: Comparison): Advice | undefined => {
  if (comparison.kind === 'like') return comparison.isPlain ? undefined : ADVICE.pattern;
  if (comparison.literal === undefined) return ADVICE.literal;
  return /[*?]/.test(comparison.literal) ? ADVICE.wildcard : undefined;
};
