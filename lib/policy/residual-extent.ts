import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { matchesPattern } from '../schema/wildcard-patterns.ts';
import { getOperand, listChildren, splitExpression, type Expr } from './cedar-syntax.ts';

/**
 * The resources for which an expression is true, or cannot be evaluated: as patterns, where `*` matches any
 * characters and `?` any one, or all.
 */
export type Extent = {
  readonly patterns: readonly string[] | 'all';
  /** Whether it is true for each of them, whatever else is unknown. Else it may be true only for some. */
  readonly isExact: boolean;
};

const ALL: Extent = { patterns: 'all', isExact: true };
const NONE: Extent = { patterns: [], isExact: true };
const DOUBT: Extent = { patterns: 'all', isExact: false };

/**
 * Computes for which resources a residual policy applies. Cedar writes `unless` as a negated `when`.
 *
 * @param residual of a partial evaluation in which the unknown `resource` is `context.resource`
 */
export const computeExtent = ({ conditions }: PolicyJson): Extent =>
  conditions
    .map(({ kind, body }) => (kind === 'when' ? toExtent(body) : DOUBT))
    .reduce((one, other) => intersect([one, other], false), ALL);

const toExtent = (expr: Expr): Extent => {
  const [operator, operands] = splitExpression(expr);
  const get = (side: string): Expr => getOperand(expr, operator, side) as Expr;
  switch (operator) {
    case 'Value':
      return operands === true ? ALL : operands === false ? NONE : DOUBT;
    case '&&':
      return intersect([toExtent(get('left')), toExtent(get('right'))], canFail(get('left')));
    case '||':
      return unite(toExtent(get('left')), toExtent(get('right')));
    case '!':
      return negate(toExtent(get('arg')));
    case 'like':
      return isResource(get('left'))
        ? fromPattern(getOperand(expr, 'like', 'pattern') as readonly PatternElement[])
        : DOUBT;
    case '==':
      return fromEquality(get('left'), get('right'));
    default:
      return DOUBT;
  }
};

type PatternElement = 'Wildcard' | { readonly Literal: string };

const isResource = (expr: Expr): boolean =>
  (expr['unknown'] as readonly { Value?: unknown }[] | undefined)?.[0]?.Value === 'resource';

/** `*` and `?` of a text are wildcards in a pattern, which then covers more than the text. */
const isPlain = (text: string): boolean => !/[*?]/.test(text);

const fromPattern = (elements: readonly PatternElement[]): Extent => ({
  patterns: [elements.map((each) => (each === 'Wildcard' ? '*' : each.Literal)).join('')],
  isExact: elements.every((each) => each === 'Wildcard' || isPlain(each.Literal)),
});

const fromEquality = (left: Expr, right: Expr): Extent => {
  const value = isResource(left) ? right['Value'] : isResource(right) ? left['Value'] : undefined;
  return typeof value === 'string' ? { patterns: [value], isExact: isPlain(value) } : DOUBT;
};

/** @param canLeftFail a failure of the left side makes the whole fail, whatever the right side is */
const intersect = ([left, right]: readonly [Extent, Extent], canLeftFail: boolean): Extent => {
  if (left.patterns === 'all' && left.isExact) return right;
  if (right.patterns === 'all' && right.isExact) return left;
  if (canLeftFail || right.patterns === 'all') return { ...left, isExact: isEmpty(left) };
  if (left.patterns === 'all') return { ...right, isExact: isEmpty(right) };
  if (isEmpty(left) || isEmpty(right)) return NONE;
  const [texts, others] = left.patterns.every(isPlain) ? [left, right] : [right, left];
  const { patterns } = others;
  if (patterns === 'all' || texts.patterns === 'all' || !texts.patterns.every(isPlain)) {
    return { ...left, isExact: false };
  }
  const covered = texts.patterns.filter((text) =>
    patterns.some((pattern) => matchesPattern(pattern, text)),
  );
  return { patterns: covered, isExact: left.isExact && right.isExact };
};

const isEmpty = ({ patterns }: Extent): boolean => patterns !== 'all' && patterns.length === 0;

const unite = (left: Extent, right: Extent): Extent => {
  if ([left, right].some(({ patterns, isExact }) => patterns === 'all' && isExact)) return ALL;
  if (isEmpty(left)) return right;
  if (isEmpty(right)) return left;
  if (left.patterns === 'all' || right.patterns === 'all') return DOUBT;
  return {
    patterns: [...left.patterns, ...right.patterns],
    isExact: left.isExact && right.isExact,
  };
};

const negate = (inner: Extent): Extent => {
  if (!inner.isExact) return DOUBT;
  if (inner.patterns === 'all') return NONE;
  return inner.patterns.length === 0 ? ALL : DOUBT;
};

/** Operators that cannot fail on values of the right types, which validation against the schema ensures. */
const TOTAL = new Set([
  ...['Value', 'Var', 'unknown', 'Set', 'like', '==', '!=', '<', '<=', '>', '>='],
  ...['&&', '||', '!', 'contains', 'containsAll', 'containsAny', 'isEmpty', 'hasTag', 'in'],
]);

const canFail = (expr: Expr): boolean =>
  !TOTAL.has(splitExpression(expr)[0]) || listChildren(expr).some(canFail);
