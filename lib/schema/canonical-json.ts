import canonicalize from 'canonicalize';

/**
 * Canonical JSON of a value (RFC 8785).
 *
 * @throws Error when the value has no JSON form
 */
export const canonicalizeJson = (value: unknown): string => {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('canonical JSON: expected a JSON value, got undefined');
  return text;
};
