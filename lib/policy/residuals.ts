import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { listChildren, getOperand, splitExpression, type Expr } from './cedar-syntax.ts';

/**
 * Whether what is left of a policy can still come true. Cedar keeps `unknown && false`, since its
 * left side could fail; neither a failure nor a false permits anything.
 */
export const isSatisfiable = (residual: PolicyJson | undefined): boolean =>
  residual?.conditions.every(
    ({ kind, body }) => kind === 'unless' || isSatisfiableExpression(body),
  ) ?? true;

const isSatisfiableExpression = (expr: Expr): boolean => {
  const [operator, value] = splitExpression(expr);
  const sides = ['left', 'right'].map((side) => getOperand(expr, operator, side) as Expr);
  if (operator === '&&') return sides.every(isSatisfiableExpression);
  if (operator === '||') return sides.some(isSatisfiableExpression);
  return !(operator === 'Value' && value === false);
};

/** Names of what is unknown in these policies, each once, in order. */
export const listUnknowns = (residuals: readonly (PolicyJson | undefined)[]): readonly string[] => {
  const bodies = residuals.flatMap((each) => each?.conditions.map(({ body }) => body) ?? []);
  return [...new Set(bodies.flatMap(listUnknownNames))].sort();
};

const listUnknownNames = (expr: Expr): readonly string[] => {
  const [operator, operands] = splitExpression(expr);
  if (operator !== 'unknown') return listChildren(expr).flatMap(listUnknownNames);
  const [name] = operands as readonly [{ readonly Value: string }];
  return [name.Value];
};
