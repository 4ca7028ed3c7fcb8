import { createApiClient } from './api-client.ts';
import { toStored, type ConfigMapBody, type StoredConfigMap } from './config-maps.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import { watchObjects, type ObjectWatchOptions } from './object-watch.ts';

export type ConfigMapWatchOptions = {
  readonly namespace: string;
  readonly name: string;
  /** Called with the current state at each change and each new list; undefined: it does not exist. */
  readonly onState: (state: StoredConfigMap | undefined) => void;
} & Pick<ObjectWatchOptions<WatchedConfigMap>, 'onError' | 'backoffMs'>;

/** A ConfigMap as the API server returns it. */
type WatchedConfigMap = ConfigMapBody & {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
};

type ListResponse = {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly items?: readonly WatchedConfigMap[] | null;
};

/**
 * Watches one ConfigMap until stopped.
 *
 * @returns stops it
 */
export const watchConfigMap = (
  kubernetes: KubernetesClient,
  { namespace, name, onState, onError, backoffMs }: ConfigMapWatchOptions,
): (() => void) => {
  const calls = createApiClient(kubernetes);
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps`;
  const fieldSelector = `metadata.name=${name}`;
  const list = async () => {
    const query = `fieldSelector=${encodeURIComponent(fieldSelector)}`;
    const call = { method: 'GET', path: `${path}?${query}` } as const;
    const { metadata, items } = (await calls(`list configmap ${name}`, call)) as ListResponse;
    return { items: items ?? [], resourceVersion: metadata?.resourceVersion ?? '' };
  };
  return watchObjects<WatchedConfigMap>(kubernetes, {
    culprit: `watch configmap ${name}`,
    path,
    fieldSelector,
    list,
    onError,
    backoffMs,
    readVersion: async () => (await list()).resourceVersion,
    onState: ([found]) => onState(found && toStored(found)),
    onSync: () => undefined,
  });
};
