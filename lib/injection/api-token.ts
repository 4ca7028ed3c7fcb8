import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import { API_TOKEN_VOLUME_PREFIX } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { Container, Pod, Volume } from '../contract/pod.ts';
import { listContainers } from './containers.ts';

/**
 * Whether the pod keeps the API server's token. The ServiceAccount plugin mounts it before we are
 * asked but never writes this field: `true` in it is its author's wish.
 */
export const isApiTokenKept = (pod: Pod, platform: Platform): boolean =>
  pod.spec?.automountServiceAccountToken === true && platform.pods.allowApiToken;

/** Whether it is the volume that the ServiceAccount plugin adds. */
export const isApiTokenVolume = ({ name }: Pick<Volume, 'name'>): boolean =>
  name.startsWith(API_TOKEN_VOLUME_PREFIX);

/** Removes the token's volume and every mount of it, and the wish to have it added again. */
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

/** From the end, so that no removal moves what another one names. */
const buildRemovals = <T>(
  path: string,
  list: readonly T[],
  goes: (item: T) => boolean,
): readonly JsonPatchOp[] =>
  list
    .flatMap((item, index) => (goes(item) ? [index] : []))
    .reverse()
    .map((index) => ({ op: 'remove', path: `${path}/${index}` }));
