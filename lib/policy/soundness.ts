import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { isAbout } from './call-policies.ts';
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

/** What to write instead, and what was found. */
type Advice = { readonly expected: string; readonly got: string };

/** The position of an expression: `needed` for an allow, or the reason why a wider pattern could bypass it. */
type ExpressionPosition = 'needed' | keyof typeof ESCAPES;

const ESCAPES = {
  when: {
    expected: '`unless { context.resource like "<what is allowed>*" }` in a forbid',
    got: '`context.resource` in the `when` of a forbid: a wider declared pattern bypasses it',
  },
  unless: {
    expected: '`when { context.resource like "<what is allowed>*" }` in a permit',
    got: '`context.resource` in the `unless` of a permit: a wider declared pattern bypasses it',
  },
  negated: {
    expected:
      'what is allowed, in a permit\'s `when` or in `forbid … unless { context.resource like "…*" }`',
    got: '`context.resource` under a negation: a wider declared pattern bypasses it',
  },
  conditional: {
    expected: 'conditions joined by `&&` and `||`, or two policies',
    got: '`context.resource` under `if`',
  },
  operand: {
    expected: '`context.resource like "…*"` or `context.resource == "…"`, joined by `&&` and `||`',
    got: '`context.resource` elsewhere than on the left of `like` or `==`',
  },
} as const satisfies Record<string, Advice>;

const ADVICE = {
  pattern: {
    expected: 'a `like` pattern whose only wildcard is `*`, which is never escaped',
    got: 'a pattern with `?` or `\\*`, which are wildcards in a declared pattern',
  },
  wildcard: {
    expected: '`like` for a pattern; `==` compares with an ARN without `*` and `?`',
    got: '`context.resource ==` a literal with wildcards',
  },
  literal: {
    expected: 'a string literal on the right: `context.resource == "…"`',
    got: '`context.resource ==` another expression',
  },
  presence: {
    expected: 'no such condition: a request always has a resource',
    got: '`context has resource`',
  },
  context: {
    expected: 'one attribute, such as `context.action`',
    got: '`context` as a whole, which contains the resource',
  },
  purpose: {
    expected:
      'no condition on the purpose: the agent writes it, so it is recorded and never decides; compare `context.user` or `context.approvals`',
    got: '`context.purpose`',
  },
  unknown: {
    expected:
      'a condition on attributes of the schema; values that are unknown at admission need no special condition',
    got: '`unknown()`',
  },
} as const satisfies Record<string, Advice>;

/** How each word is written outside of strings. */
const RESERVED_WORDS = {
  resource:
    /\bcontext\s*(?:\.\s*resource\b|\[\s*"resource"\s*\]|has\s+resource\b)|"(?:[^"\\]|\\[^])*"/g,
  purpose:
    /\bcontext\s*(?:\.\s*purpose\b|\[\s*"purpose"\s*\]|has\s+(?:purpose\b|"purpose"))|"(?:[^"\\]|\\[^])*"/g,
  context: /\bcontext\b(?!\s*(?:[.[]|has\b))|"(?:[^"\\]|\\[^])*"/g,
  unknown: /\bunknown\b|"(?:[^"\\]|\\[^])*"/g,
} as const;

type ReservedWord = keyof typeof RESERVED_WORDS;

/**
 * Finds every use of `context.purpose`, which is free text of the agent, and every use of
 * `context.resource` with which a policy could allow a declared pattern and deny a
 * resource that the pattern covers. `like` matches the text of the pattern: this is a subset check only
 * if an allow requires it to be true. Calls have a concrete resource: a policy that is about calls only may
 * use `context.resource` anywhere.
 *
 * The syntax tree has no positions, but its words are in the order of the text.
 *
 * @param text of the policy, without comments
 */
export const findUnsoundUses = (policy: PolicyJson, text: string): readonly PolicyFinding[] => {
  const found: PolicyFinding[] = [];
  const remaining = {
    resource: findOffsets('resource', text),
    purpose: findOffsets('purpose', text),
    context: findOffsets('context', text),
    unknown: findOffsets('unknown', text),
  };
  const report = (word: ReservedWord, advice?: Advice): void => {
    const offset = remaining[word].shift() ?? 0;
    const isSound = word === 'resource' && !isAbout(policy, 'run');
    if (advice !== undefined && !isSound) found.push({ offset, ...advice });
  };
  for (const { kind, body } of policy.conditions)
    walkExpression(body, getPosition(policy, kind), report);
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

const walkExpression = (expr: Expr, place: ExpressionPosition, report: ReportUse): void => {
  const comparison = place === 'needed' ? getResourceComparison(expr) : undefined;
  if (comparison !== undefined) {
    report('resource', checkComparison(comparison));
    const right = getOperand(expr, '==', 'right');
    if (right !== undefined) walkExpression(right as Expr, 'operand', report);
  } else if (!reportWord(expr, place, report)) {
    const inner = getInnerPosition(expr, place);
    for (const child of listChildren(expr)) walkExpression(child, inner, report);
  }
};

/** @returns whether the whole expression was reported */
const reportWord = (expr: Expr, place: ExpressionPosition, report: ReportUse): boolean => {
  const [operator, operands] = splitExpression(expr);
  const attribute = getContextAttribute(expr);
  const presence = getContextPresence(expr);
  if (attribute === 'resource') report('resource', ESCAPES[toEscape(place)]);
  if (presence === 'resource') report('resource', ADVICE.presence);
  if (attribute === 'purpose' || presence === 'purpose') report('purpose', ADVICE.purpose);
  if (operator === 'Var' && operands === 'context') report('context', ADVICE.context);
  if (operator === 'unknown') report('unknown', ADVICE.unknown);
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
