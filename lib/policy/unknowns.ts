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

/** Optional in the context: at admission not even their presence is known. */
const OPTIONAL = ['user', 'purpose'];

const buildUnknown = (name: string): Expr => ({ unknown: [{ Value: name }] });

/**
 * The policy with `context has user` and `context has purpose` as unknown as their values are. An
 * integer that JSON cannot say exactly is not known here either.
 */
export const markUnknownConditions = (policy: PolicyJson): PolicyJson =>
  mapConditions(policy, function open(expr): Expr {
    const attribute = getContextPresence(expr) ?? '';
    if (OPTIONAL.includes(attribute)) return buildUnknown(attribute);
    return isInexact(expr['Value']) ? buildUnknown('large numbers') : mapChildren(expr, open);
  });

const isInexact = (value: unknown): boolean =>
  typeof value === 'number' && !Number.isSafeInteger(value);

/**
 * The policy with each comparison of `context.resource` decided as far as that holds for every value
 * of the resource's params: a yes or a no where all bindings agree, and unknown otherwise.
 *
 * @param resource as declared, with `{param}` places
 */
export const foldResource = (policy: PolicyJson, resource: string): PolicyJson =>
  mapConditions(policy, function fold(expr): Expr {
    const comparison = getResourceComparison(expr);
    return comparison === undefined
      ? mapChildren(expr, fold)
      : (foldComparison(comparison, resource) ?? buildUnknown('params'));
  });

/** Characters for what may not match a wildcard: `*` and `?` of a declared pattern, and a place. */
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
