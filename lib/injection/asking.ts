import { SIDECAR_CONTAINER, VOLUME_PREFIX } from '../contract/names.ts';
import type { Pod } from '../contract/pod.ts';
import { declaresTasks } from './consumers.ts';
import { containersOf } from './containers.ts';

/**
 * Whether a pod is ours to judge: it, or what it was before, declares a task or holds anything by a
 * name of ours; so a hand-made copy of an injected pod is seen without its annotations. The API
 * server decides the same by {@link validateConditions}, before it calls.
 *
 * Under `trust: authority` a projected token for the authority's audience will ask, too.
 */
export const isAsked = (pod: Pod | undefined, oldPod: Pod | undefined): boolean =>
  [pod, oldPod].some((each) => each !== undefined && (declaresTasks(each) || holdsOurs(each)));

const holdsOurs = (pod: Pod): boolean =>
  containersOf(pod).some(({ container }) => container.name === SIDECAR_CONTAINER) ||
  (pod.spec?.volumes ?? []).some(({ name }) => name.startsWith(VOLUME_PREFIX));
