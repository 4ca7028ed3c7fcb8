import { SIDECAR_CONTAINER, VOLUME_PREFIX } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { Pod } from '../contract/pod.ts';
import { hasTaskDeclarations } from './consumers.ts';
import { listContainers } from './containers.ts';

/**
 * Whether Valetkey evaluates a pod: the new or the old pod declares a task, uses a reserved name or,
 * under `trust: authority`, projects a token for the authority. So a copy of an injected pod without
 * its annotations is evaluated too. The API server applies the same conditions before it calls the
 * webhook (`valetkey.isInScope` in the chart).
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

/** Under `trust: cluster` the audience is the cloud's, which other pods may use. */
const hasAuthorityToken = (pod: Pod, { trust, sidecar }: Platform): boolean =>
  trust === 'authority' &&
  (pod.spec?.volumes ?? []).some(({ projected }) =>
    (projected?.sources ?? []).some(
      ({ serviceAccountToken }) => serviceAccountToken?.audience === sidecar.audience,
    ),
  );
