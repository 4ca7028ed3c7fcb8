import type { Pod, Resources } from '../contract/pod.ts';
import { listContainers } from './containers.ts';
import { isSameQuantity, readQuantity } from '../schema/quantity.ts';

/**
 * Whether the pod's containers give it the QoS class Guaranteed: each has cpu and memory limits that
 * equal its requests. If the pod itself sets resources, Kubernetes ignores those of containers.
 */
export const isGuaranteed = (pod: Pod): boolean =>
  !hasPodResources(pod) &&
  listContainers(pod)
    .filter(({ list }) => list !== 'ephemeralContainers')
    .every(({ container }) =>
      ['cpu', 'memory'].every((name) => isRequestEqualToLimit(container.resources, name)),
    );

/** A request that is not set defaults to the limit. */
const isRequestEqualToLimit = (resources: Resources | undefined, name: string): boolean => {
  const limit = resources?.limits?.[name];
  // Kubernetes ignores amounts of zero.
  if (readQuantity(limit) === 0n) return false;
  return isSameQuantity(limit, resources?.requests?.[name] ?? limit);
};

/** Resources that a pod can set as a whole. Others, and empty groups, have no effect. */
const hasPodResources = (pod: Pod): boolean =>
  [pod.spec?.resources?.requests, pod.spec?.resources?.limits]
    .flatMap((amounts) => Object.keys(amounts ?? {}))
    .some((name) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-'));
