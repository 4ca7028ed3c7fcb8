import type { ReadNamespaceLabels } from '../../identity/workload-identification.ts';
import type { ApiClient } from './api-client.ts';
import { createTtlCache } from '../../async/ttl-cache.ts';
import { findObject } from './kubernetes-error.ts';

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
): ReadNamespaceLabels => createTtlCache((namespace) => readLabels(calls, namespace), monotonic);

const readLabels = async (calls: ApiClient, namespace: string): Promise<Labels> => {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const response = calls(`get namespace ${namespace}`, { method: 'GET', path });
  const found = await findObject(response);
  if (found === undefined) return undefined;
  const { metadata } = found as { metadata?: { labels?: Readonly<Record<string, string>> } };
  return metadata?.labels ?? {};
};
