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

/** The optional attributes: at admission, even their presence is unknown. */
const OPTIONAL = ['user', 'parent'];

const buildUnknown = (name: string): Expr => ({ unknown: [{ Value: name }] });

/**
 * Marks `context has user` and `context has parent` as unknown, like their values. Integers that JSON cannot represent exactly are
 * also marked as unknown.
 */
export const markUnknownConditions = (policy: PolicyJson): PolicyJson =>
  mapConditions(policy, function mark(expr): Expr {
    const present = getContextPresence(expr);
    if (present !== undefined && OPTIONAL.includes(present)) return buildUnknown(present);
    return isInexact(expr['Value']) ? buildUnknown('large numbers') : mapChildren(expr, mark);
  });

/**
 * Resolves `context has parent`, which {@link markUnknownConditions} marked: a task that refuses delegation has no
 * run above it, and one that requires it always does.
 */
export const resolveParentPresence = (policy: PolicyJson, isPresent: boolean): PolicyJson =>
  mapConditions(policy, function resolve(expr): Expr {
    return isUnknownParent(expr) ? { Value: isPresent } : mapChildren(expr, resolve);
  });

const isUnknownParent = (expr: Expr): boolean =>
  JSON.stringify(expr['unknown']) === JSON.stringify([{ Value: 'parent' }]);

/** Marks integers that JSON cannot represent exactly as unknown. */
export const markInexactNumbers = (policy: PolicyJson): PolicyJson =>
  mapConditions(policy, function mark(expr): Expr {
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
