import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyFinding } from './policy-source.ts';
import {
  getContextAttribute,
  listChildren,
  getResourceComparison,
  getOperand,
  splitExpression,
  getContextPresence,
  type ResourceComparison,
  type Expr,
} from './cedar-syntax.ts';

/** The way to write it instead, and what it is. */
type Advice = { readonly expected: string; readonly got: string };

/** Where an expression stands: a yes needs it, or why a wider pattern could escape it. */
type ExpressionPosition = 'needed' | keyof typeof ESCAPES;

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
const RESERVED_WORDS = {
  resource:
    /\bcontext\s*(?:\.\s*resource\b|\[\s*"resource"\s*\]|has\s+resource\b)|"(?:[^"\\]|\\[^])*"/g,
  context: /\bcontext\b(?!\s*(?:[.[]|has\b))|"(?:[^"\\]|\\[^])*"/g,
  unknown: /\bunknown\b|"(?:[^"\\]|\\[^])*"/g,
} as const;

type ReservedWord = keyof typeof RESERVED_WORDS;

/**
 * Finds every use of `context.resource` where a policy could say yes to a declared pattern and no to
 * a resource that it covers. `like` compares with the pattern's own text: that is a subset check
 * only where a yes needs it to hold.
 *
 * The syntax tree has no positions, but its words stand in the order of the text.
 *
 * @param text the policy's own, without comments
 */
export const findUnsoundUses = (policy: PolicyJson, text: string): readonly PolicyFinding[] => {
  const found: PolicyFinding[] = [];
  const unmet = {
    resource: findOffsets('resource', text),
    context: findOffsets('context', text),
    unknown: findOffsets('unknown', text),
  };
  const meet = (word: ReservedWord, advice?: Advice): void => {
    const offset = unmet[word].shift() ?? 0;
    if (advice !== undefined) found.push({ offset, ...advice });
  };
  for (const { kind, body } of policy.conditions)
    walkExpression(body, getPosition(policy, kind), meet);
  return found;
};

const findOffsets = (word: ReservedWord, text: string): number[] =>
  [...text.matchAll(RESERVED_WORDS[word])].flatMap(({ 0: match, index }) =>
    match.startsWith('"') ? [] : [index],
  );

type ReportUse = (word: ReservedWord, advice?: Advice) => void;

const getPosition = ({ effect }: PolicyJson, kind: 'when' | 'unless'): ExpressionPosition => {
  if (effect === 'permit') return kind === 'when' ? 'needed' : 'unless';
  return kind === 'unless' ? 'needed' : 'when';
};

const walkExpression = (expr: Expr, place: ExpressionPosition, meet: ReportUse): void => {
  const comparison = place === 'needed' ? getResourceComparison(expr) : undefined;
  if (comparison !== undefined) {
    meet('resource', checkComparison(comparison));
    const right = getOperand(expr, '==', 'right');
    if (right !== undefined) walkExpression(right as Expr, 'operand', meet);
  } else if (!reportWord(expr, place, meet)) {
    const inner = getInnerPosition(expr, place);
    for (const child of listChildren(expr)) walkExpression(child, inner, meet);
  }
};

/** @returns whether nothing of the expression is left to walk */
const reportWord = (expr: Expr, place: ExpressionPosition, meet: ReportUse): boolean => {
  const [operator, operands] = splitExpression(expr);
  const attribute = getContextAttribute(expr);
  const presence = getContextPresence(expr);
  if (attribute === 'resource') meet('resource', ESCAPES[toEscape(place)]);
  if (presence === 'resource') meet('resource', ADVICE.presence);
  if (operator === 'Var' && operands === 'context') meet('context', ADVICE.context);
  if (operator === 'unknown') meet('unknown', ADVICE.unknown);
  return attribute !== undefined || presence !== undefined;
};

const toEscape = (place: ExpressionPosition): keyof typeof ESCAPES =>
  place === 'needed' ? 'operand' : place;

const getInnerPosition = (expr: Expr, place: ExpressionPosition): ExpressionPosition => {
  const [operator] = splitExpression(expr);
  if (place !== 'needed' || operator === '&&' || operator === '||') return place;
  if (operator === '!' || operator === '!=') return 'negated';
  return operator === 'if-then-else' ? 'conditional' : 'operand';
};

const checkComparison = (comparison: ResourceComparison): Advice | undefined => {
  if (comparison.kind === 'like') return comparison.isPlain ? undefined : ADVICE.pattern;
  if (comparison.literal === undefined) return ADVICE.literal;
  return /[*?]/.test(comparison.literal) ? ADVICE.wildcard : undefined;
};
