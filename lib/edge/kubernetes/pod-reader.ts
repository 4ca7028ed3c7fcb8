import type { ReadPod } from '../../identity/workload-identification.ts';
import type { ApiClient } from './api-client.ts';
import { findObject } from './kubernetes-error.ts';

/**
 * Creates a reader of single pods: the current state, with all members, also unknown ones.
 *
 * @returns throws KubernetesError
 */
export const createPodReader =
  (calls: ApiClient): ReadPod =>
  ({ namespace, name }) => {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    const response = calls(`get pod ${namespace}/${name}`, { method: 'GET', path });
    return findObject(response);
  };
