import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import { API_TOKEN_VOLUME_PREFIX } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { Container, Pod, Volume } from '../contract/pod.ts';
import { listContainers } from './containers.ts';

/**
 * Whether the pod keeps the token for the API server. The ServiceAccount plugin mounts the token
 * before the webhook is called, but never sets this field: `true` was set by the author.
 */
export const isApiTokenKept = (pod: Pod, platform: Platform): boolean =>
  pod.spec?.automountServiceAccountToken === true && platform.pods.allowApiToken;

/** Whether the ServiceAccount plugin added the volume. */
export const isApiTokenVolume = ({ name }: Pick<Volume, 'name'>): boolean =>
  name.startsWith(API_TOKEN_VOLUME_PREFIX);

/** Removes the token's volume and its mounts, and prevents the plugin from adding them again. */
export const buildApiTokenRemoval = (pod: Pod): readonly JsonPatchOp[] => {
  const isSet = pod.spec?.automountServiceAccountToken !== undefined;
  return [
    ...listContainers(pod).flatMap(({ container, path }) => buildMountRemoval(container, path)),
    ...buildRemovals('/spec/volumes', pod.spec?.volumes ?? [], isApiTokenVolume),
    ...(pod.spec?.automountServiceAccountToken === false
      ? []
      : [
          {
            op: isSet ? ('replace' as const) : ('add' as const),
            path: '/spec/automountServiceAccountToken',
            value: false,
          },
        ]),
  ];
};

const buildMountRemoval = (container: Container, path: string): readonly JsonPatchOp[] =>
  buildRemovals(`${path}/volumeMounts`, container.volumeMounts ?? [], isApiTokenVolume);

/** From the end, so that no removal changes the index of another. */
const buildRemovals = <T>(
  path: string,
  list: readonly T[],
  isRemoved: (item: T) => boolean,
): readonly JsonPatchOp[] =>
  list
    .flatMap((item, index) => (isRemoved(item) ? [index] : []))
    .reverse()
    .map((index) => ({ op: 'remove', path: `${path}/${index}` }));
