import { SIDECAR_CONTAINER, VOLUME_PREFIX } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { Pod } from '../contract/pod.ts';
import { hasTaskDeclarations } from './consumers.ts';
import { listContainers } from './containers.ts';

/**
 * Whether a pod is ours to judge: it, or what it was before, declares a task, holds anything by a
 * name of ours or, under `trust: authority`, projects a token for the authority; so a hand-made copy
 * of an injected pod is seen without its annotations. The API server decides the same by
 * {@link validateConditions}, before it calls.
 */
export const isInScope = (
  pods: { readonly pod: Pod | undefined; readonly oldPod: Pod | undefined },
  platform: Platform,
): boolean =>
  [pods.pod, pods.oldPod].some(
    (pod) =>
      pod !== undefined &&
      (hasTaskDeclarations(pod) || hasReservedName(pod) || hasAuthorityToken(pod, platform)),
  );

const hasReservedName = (pod: Pod): boolean =>
  listContainers(pod).some(({ container }) => container.name === SIDECAR_CONTAINER) ||
  (pod.spec?.volumes ?? []).some(({ name }) => name.startsWith(VOLUME_PREFIX));

/** Under `trust: cluster` the audience is the cloud's own, which others may use. */
const hasAuthorityToken = (pod: Pod, { trust, sidecar }: Platform): boolean =>
  trust === 'authority' &&
  (pod.spec?.volumes ?? []).some(({ projected }) =>
    (projected?.sources ?? []).some(
      ({ serviceAccountToken }) => serviceAccountToken?.audience === sidecar.audience,
    ),
  );
