import { createHash } from 'node:crypto';

/** What identifies an object and its spec, as the API server returns it. */
type StoredSpec = {
  readonly metadata: { readonly uid: string; readonly generation?: number };
  readonly spec?: unknown;
};

/** An unchanged object of a watch is the same one as before, so its spec is digested once. */
const keys = new WeakMap<StoredSpec, string>();

/**
 * Identifies an object and its spec: what only changes its status leaves the key as it is. UID and generation are not
 * enough: after a restore of the store from an older snapshot, another spec may get the same generation.
 */
export const buildSpecKey = (stored: StoredSpec): string => {
  const known = keys.get(stored);
  if (known !== undefined) return known;
  const { uid, generation = 0 } = stored.metadata;
  const digest = createHash('sha256')
    .update(JSON.stringify(stored.spec ?? null))
    .digest('base64url');
  const key = `${uid} ${generation} ${digest}`;
  keys.set(stored, key);
  return key;
};

/** The same of all objects, in whatever order they are listed. */
export const buildSpecsKey = (all: readonly StoredSpec[]): string =>
  all.map(buildSpecKey).sort().join();
