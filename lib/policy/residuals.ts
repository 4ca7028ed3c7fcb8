import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { listChildren, getOperand, splitExpression, type Expr } from './cedar-syntax.ts';

/**
 * Whether a residual policy can still be satisfied. Cedar keeps `unknown && false`, because its left
 * side could fail; but neither a failure nor false permits anything.
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

/** Lists the distinct names of unknown values in these policies, sorted. */
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
