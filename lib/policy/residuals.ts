import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { childrenOf, operand, partsOf, type Expr } from './syntax.ts';

/**
 * Whether what is left of a policy can still come true. Cedar keeps `unknown && false`, since its
 * left side could fail; neither a failure nor a false permits anything.
 */
export const canHold = (residual: PolicyJson | undefined): boolean =>
  residual?.conditions.every(({ kind, body }) => kind === 'unless' || canBeTrue(body)) ?? true;

const canBeTrue = (expr: Expr): boolean => {
  const [operator, value] = partsOf(expr);
  const sides = ['left', 'right'].map((side) => operand(expr, operator, side) as Expr);
  if (operator === '&&') return sides.every(canBeTrue);
  if (operator === '||') return sides.some(canBeTrue);
  return !(operator === 'Value' && value === false);
};

/** Names of what is unknown in these policies, each once, in order. */
export const unknownsOf = (residuals: readonly (PolicyJson | undefined)[]): readonly string[] => {
  const bodies = residuals.flatMap((each) => each?.conditions.map(({ body }) => body) ?? []);
  return [...new Set(bodies.flatMap(namesIn))].sort();
};

const namesIn = (expr: Expr): readonly string[] => {
  const [operator, operands] = partsOf(expr);
  if (operator !== 'unknown') return childrenOf(expr).flatMap(namesIn);
  const [name] = operands as readonly [{ readonly Value: string }];
  return [name.Value];
};
