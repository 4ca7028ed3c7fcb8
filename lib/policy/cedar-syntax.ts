import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/**
 * An expression of Cedar's JSON syntax: one operator and its arguments
 * (https://docs.cedarpolicy.com/policies/json-format.html).
 */
export type Expr = Readonly<Record<string, unknown>>;

/** Returns the name of the operator and its operands. */
export const splitExpression = (expr: Expr): readonly [string, unknown] =>
  Object.entries(expr)[0] ?? ['', undefined];

/** Literals contain no expressions, and neither do patterns of `like` and names of `has`. */
const LITERAL = ['Value', 'Var', 'Slot'];
const NON_EXPRESSION_KEYS = ['pattern', 'attr', 'entity_type'];

/** Replaces each direct subexpression, in the order of the text. */
export const mapChildren = (expr: Expr, replace: (child: Expr) => Expr): Expr => {
  const [operator, operands] = splitExpression(expr);
  if (LITERAL.includes(operator) || typeof operands !== 'object' || operands === null) return expr;
  if (isList(operands)) return { [operator]: operands.map(replace) };
  const isKept = (key: string): boolean =>
    operator !== 'Record' && NON_EXPRESSION_KEYS.includes(key);
  const entries = Object.entries(operands as Readonly<Record<string, Expr>>).map(
    ([key, value]) => [key, isKept(key) ? value : replace(value)] as const,
  );
  return { [operator]: Object.fromEntries(entries) };
};

const isList = (operands: object): operands is readonly Expr[] => Array.isArray(operands);

/** Lists the direct subexpressions in the order of the text (members of a record in any order). */
export const listChildren = (expr: Expr): readonly Expr[] => {
  const children: Expr[] = [];
  mapChildren(expr, (child) => {
    children.push(child);
    return child;
  });
  return children;
};

/** Returns the operand `name` of an expression; undefined if it has another operator. */
export const getOperand = (expr: Expr, operator: string, name: string): unknown =>
  Object.hasOwn(expr, operator)
    ? (expr[operator] as Readonly<Record<string, unknown>>)[name]
    : undefined;

const isContext = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && (value as Expr)['Var'] === 'context';

/** Returns `resource` for `context.resource`; undefined if the expression is not an attribute of `context`. */
export const getContextAttribute = (expr: Expr): string | undefined =>
  isContext(getOperand(expr, '.', 'left')) ? String(getOperand(expr, '.', 'attr')) : undefined;

/** Returns `user` for `context has user` and for `context has user.issuer`. */
export const getContextPresence = (expr: Expr): string | undefined => {
  if (!isContext(getOperand(expr, 'has', 'left'))) return undefined;
  const attr = getOperand(expr, 'has', 'attr');
  return String(Array.isArray(attr) ? attr[0] : attr);
};

type PatternElement = 'Wildcard' | { readonly Literal: string };

/**
 * A comparison of `context.resource`: with a pattern of `like`, whose wildcards are written as `*`, or
 * with a literal of `==`.
 */
export type ResourceComparison =
  | { readonly kind: 'like'; readonly pattern: string; readonly isPlain: boolean }
  | { readonly kind: '=='; readonly literal: string | undefined };

export const getResourceComparison = (expr: Expr): ResourceComparison | undefined => {
  const [kind] = splitExpression(expr);
  const left = kind === 'like' || kind === '==' ? getOperand(expr, kind, 'left') : undefined;
  if (left === undefined || getContextAttribute(left as Expr) !== 'resource') return undefined;
  if (kind === 'like')
    return toLikeComparison(getOperand(expr, kind, 'pattern') as readonly PatternElement[]);
  const literal = (getOperand(expr, kind, 'right') as Expr)['Value'];
  return { kind: '==', literal: typeof literal === 'string' ? literal : undefined };
};

const toLikeComparison = (elements: readonly PatternElement[]): ResourceComparison => ({
  kind: 'like',
  pattern: elements.map((each) => (each === 'Wildcard' ? '*' : each.Literal)).join(''),
  isPlain: elements.every((each) => each === 'Wildcard' || !/[*?]/.test(each.Literal)),
});

/** Replaces the body of each condition of a policy. */
export const mapConditions = (policy: PolicyJson, replace: (body: Expr) => Expr): PolicyJson => ({
  ...policy,
  conditions: policy.conditions.map((clause) => ({
    ...clause,
    body: replace(clause.body) as typeof clause.body,
  })),
});
