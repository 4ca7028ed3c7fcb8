import type { ReadPod } from '../../identity/workload-identification.ts';
import type { ApiClient } from './api-client.ts';
import { recoverFrom } from './kubernetes-error.ts';

/**
 * Reads one pod, as it is at this moment and with every member that it has.
 *
 * @returns throws KubernetesError
 */
export const createPodReader =
  (calls: ApiClient): ReadPod =>
  ({ namespace, name }) => {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    const answer = calls(`get pod ${namespace}/${name}`, { method: 'GET', path });
    return recoverFrom(['notFound'], answer, undefined);
  };
