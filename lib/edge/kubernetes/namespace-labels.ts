import type { ReadNamespaceLabels } from '../../identity/workload-identification.ts';
import type { ApiClient } from './api-client.ts';
import { createTtlCache } from '../../async/ttl-cache.ts';
import { findObject } from './kubernetes-error.ts';

/** Labels may be this stale when a decision uses them. */
const CACHE_LIMITS = { ttlMs: 2_000, maxEntries: 10_000 };

type Labels = Readonly<Record<string, string>> | undefined;

/**
 * Creates a reader of namespace labels that caches them for two seconds.
 *
 * @param monotonic milliseconds of the monotonic clock
 * @returns throws KubernetesError; failures are not cached
 */
export const createNamespaceLabelReader = (
  calls: ApiClient,
  monotonic: () => number,
): ReadNamespaceLabels =>
  createTtlCache({
    load: (namespace) => readLabels(calls, namespace),
    ...CACHE_LIMITS,
    monotonic,
  });

const readLabels = async (calls: ApiClient, namespace: string): Promise<Labels> => {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const response = calls(`get namespace ${namespace}`, { method: 'GET', path });
  const found = await findObject(response);
  if (found === undefined) return undefined;
  const { metadata } = found as { metadata?: { labels?: Readonly<Record<string, string>> } };
  return metadata?.labels ?? {};
};
