import { createHash } from 'node:crypto';

import { canonicalizeJson } from '../../../lib/schema/canonical-json.ts';
import { isMapping, type Mapping } from '../../../lib/schema/mapping.ts';

/**
 * Computes SHA-256 (hex) of the specification of an admission policy. A chart's rendering and what the API
 * server stores for it have the same digest: defaults that the API server writes are omitted, and the
 * namespace that Valetkey is installed in is replaced.
 */
export const computePolicyDigest = (spec: unknown, namespace: string): string =>
  createHash('sha256')
    .update(canonicalizeJson(normalize(spec, namespace) ?? {}))
    .digest('hex');

/** Defaults of ValidatingAdmissionPolicy v1, by member. */
const DEFAULTS: Mapping = { matchPolicy: 'Equivalent', scope: '*', failurePolicy: 'Fail' };

const NAMESPACE_KEY = 'kubernetes.io/metadata.name';

const normalize = (value: unknown, namespace: string): unknown => {
  if (typeof value === 'string') return value.trimEnd();
  if (Array.isArray(value)) return value.map((each) => normalize(each, namespace));
  if (!isMapping(value)) return value;
  const entries = Object.entries(value)
    .filter(([name, each]) => each !== null && DEFAULTS[name] !== each)
    .map(([name, each]) => [name, normalize(each, namespace)] as const)
    .filter(([, each]) => !isEmpty(each))
    .map(([name, each]) => {
      const isNamespace = name === NAMESPACE_KEY && each === namespace;
      return [name, isNamespace ? '<namespace>' : each] as const;
    });
  return Object.fromEntries(entries);
};

const isEmpty = (value: unknown): boolean =>
  (Array.isArray(value) && value.length === 0) ||
  (isMapping(value) && Object.keys(value).length === 0);
