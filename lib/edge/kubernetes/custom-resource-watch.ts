import type { KubernetesClient } from './kubernetes-client.ts';
import {
  createCustomResourceClient,
  type CustomResource,
  type CustomResourceKind,
} from './custom-resources.ts';
import { createApiClient } from './api-client.ts';
import { watchObjects, type ObjectWatchOptions } from './object-watch.ts';

export type CustomResourceWatchOptions = CustomResourceKind &
  Pick<
    ObjectWatchOptions<CustomResource>,
    'onState' | 'onSync' | 'onError' | 'backoffMs' | 'lastVersion' | 'watchSeconds'
  >;

/**
 * Watches all resources of a kind, in every namespace, until stopped.
 *
 * @returns stops it
 */
export const watchCustomResources = (
  kubernetes: KubernetesClient,
  options: CustomResourceWatchOptions,
): (() => void) => {
  const { path, list, readVersion } = createCustomResourceClient(
    createApiClient(kubernetes),
    options,
  );
  return watchObjects(kubernetes, {
    ...options,
    culprit: `watch ${options.plural}`,
    path,
    list,
    readVersion,
  });
};
