import type { ReadNamespaceLabels } from '../../identity/workload-identification.ts';
import type { ApiClient } from './api-client.ts';
import { createTtlCache } from '../../async/ttl-cache.ts';
import { recoverFrom } from './kubernetes-error.ts';

/** Labels may be this stale when a decision uses them. */
const CACHE_LIMITS = { ttlMs: 2_000, maxEntries: 10_000 };

type Labels = Readonly<Record<string, string>> | undefined;

/**
 * Reads the labels of a namespace, and remembers them for two seconds.
 *
 * @param monotonic milliseconds that never jump
 * @returns throws KubernetesError; a failure is not remembered
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
  const answer = calls(`get namespace ${namespace}`, { method: 'GET', path });
  const found = await recoverFrom(['notFound'], answer, undefined);
  if (found === undefined) return undefined;
  const { metadata } = found as { metadata?: { labels?: Readonly<Record<string, string>> } };
  return metadata?.labels ?? {};
};
