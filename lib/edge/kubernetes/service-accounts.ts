import type { ApiClient } from './api-client.ts';
import { createTtlCache } from '../../async/ttl-cache.ts';
import { findObject } from './kubernetes-error.ts';

/** Annotations may be this stale when a decision uses them. */
const CACHE_LIMITS = { ttlMs: 2_000, maxEntries: 10_000 };

type NamespacedName = { readonly namespace: string; readonly name: string };

/** The annotations of a service account; undefined when it does not exist. */
export type ReadServiceAccount = (
  place: NamespacedName,
) => Promise<Readonly<Record<string, string>> | undefined>;

/**
 * Creates a reader of service account annotations that caches them for two seconds.
 *
 * @param monotonic milliseconds of the monotonic clock
 * @returns throws KubernetesError; failures are not cached
 */
export const createServiceAccountReader = (
  calls: ApiClient,
  monotonic: () => number,
): ReadServiceAccount => {
  const ask = createTtlCache({
    load: (path) => readAnnotations(calls, path),
    ...CACHE_LIMITS,
    monotonic,
  });
  return (place) => ask(buildPath(place));
};

const buildPath = ({ namespace, name }: NamespacedName): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`;

const readAnnotations = async (
  calls: ApiClient,
  path: string,
): Promise<Readonly<Record<string, string>> | undefined> => {
  const response = calls(`get ${path}`, { method: 'GET', path });
  const found = await findObject(response);
  if (found === undefined) return undefined;
  const { metadata } = found as { metadata?: { annotations?: Readonly<Record<string, string>> } };
  return metadata?.annotations ?? {};
};
