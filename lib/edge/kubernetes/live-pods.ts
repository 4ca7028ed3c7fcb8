import type { ReadPod } from '../../identity/identification.ts';
import type { DirectCalls } from './direct-calls.ts';
import { unless } from './kubernetes-error.ts';

/**
 * Reads one pod, as it is at this moment and with every member that it has.
 *
 * @returns throws KubernetesError
 */
export const openLivePods =
  (calls: DirectCalls): ReadPod =>
  ({ namespace, name }) => {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
    const answer = calls(`get pod ${namespace}/${name}`, { method: 'GET', path });
    return unless(['notFound'], answer, undefined);
  };
