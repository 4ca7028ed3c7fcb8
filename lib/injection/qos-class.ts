import type { Pod, Resources } from '../contract/pod.ts';
import { listContainers } from './containers.ts';
import { isSameQuantity } from './quantity.ts';

/**
 * Whether the pod's quality of service is Guaranteed by its containers: each has a cpu and a memory
 * limit, and asks for just as much. With resources of the pod itself Kubernetes looks at those, and
 * a container's have no say.
 */
export const isGuaranteed = (pod: Pod): boolean =>
  pod.spec?.resources === undefined &&
  listContainers(pod)
    .filter(({ list }) => list !== 'ephemeralContainers')
    .every(({ container }) =>
      ['cpu', 'memory'].every((name) => isRequestEqualToLimit(container.resources, name)),
    );

/** An amount that is not asked for is as large as its limit. */
const isRequestEqualToLimit = (resources: Resources | undefined, name: string): boolean => {
  const limit = resources?.limits?.[name];
  return isSameQuantity(limit, resources?.requests?.[name] ?? limit);
};
