import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { patternsOverlap } from '../schema/wildcard-patterns.ts';
import {
  getResourceComparison,
  mapChildren,
  mapConditions,
  getContextPresence,
  type ResourceComparison,
  type Expr,
} from './cedar-syntax.ts';

/** The optional attribute: at admission, even its presence is unknown. */
const OPTIONAL = 'user';

const buildUnknown = (name: string): Expr => ({ unknown: [{ Value: name }] });

/**
 * Marks `context has user` as unknown, like its value. Integers that JSON cannot represent exactly are
 * also marked as unknown.
 */
export const markUnknownConditions = (policy: PolicyJson): PolicyJson =>
  mapConditions(policy, function mark(expr): Expr {
    if (getContextPresence(expr) === OPTIONAL) return buildUnknown(OPTIONAL);
    return isInexact(expr['Value']) ? buildUnknown('large numbers') : mapChildren(expr, mark);
  });

const isInexact = (value: unknown): boolean =>
  typeof value === 'number' && !Number.isSafeInteger(value);

/**
 * Evaluates each comparison of `context.resource` for all values of the resource's params: true or false
 * if the result is the same for all values, unknown otherwise.
 *
 * @param resource as declared, with `{param}` placeholders
 */
export const foldResource = (policy: PolicyJson, resource: string): PolicyJson =>
  mapConditions(policy, function fold(expr): Expr {
    const comparison = getResourceComparison(expr);
    return comparison === undefined
      ? mapChildren(expr, fold)
      : (foldComparison(comparison, resource) ?? buildUnknown('params'));
  });

/** Characters that replace `*`, `?` and placeholders of a declared pattern, so that they match no wildcard. */
const [STAR, MARK, PLACEHOLDER] = ['\u0001', '\u0002', '\u0003'];

const foldComparison = (comparison: ResourceComparison, resource: string): Expr | undefined => {
  const pattern = comparison.kind === 'like' ? comparison.pattern : (comparison.literal ?? '');
  const literal = resource.replaceAll('*', STAR).replaceAll('?', MARK);
  if (!patternsOverlap(literal.replace(PLACEHOLDERS, '*'), pattern)) return { Value: false };
  return patternsOverlap(literal.replace(PLACEHOLDERS, PLACEHOLDER), pattern)
    ? { Value: true }
    : undefined;
};

const PLACEHOLDERS = /\{[^{}]*\}/g;
