import type { Pod, Resources } from '../contract/pod.ts';
import { listContainers } from './containers.ts';
import { isSameQuantity } from './quantity.ts';

/**
 * Whether the pod's containers give it the QoS class Guaranteed: each has cpu and memory limits that
 * equal its requests. If the pod itself sets resources, Kubernetes ignores those of containers.
 */
export const isGuaranteed = (pod: Pod): boolean =>
  pod.spec?.resources === undefined &&
  listContainers(pod)
    .filter(({ list }) => list !== 'ephemeralContainers')
    .every(({ container }) =>
      ['cpu', 'memory'].every((name) => isRequestEqualToLimit(container.resources, name)),
    );

/** A request that is not set defaults to the limit. */
const isRequestEqualToLimit = (resources: Resources | undefined, name: string): boolean => {
  const limit = resources?.limits?.[name];
  return isSameQuantity(limit, resources?.requests?.[name] ?? limit);
};
