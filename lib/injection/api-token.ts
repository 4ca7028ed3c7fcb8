import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import { API_TOKEN_VOLUME_PREFIX } from '../contract/names.ts';
import { TOKEN_MOUNT_PATH as API_TOKEN_MOUNT_PATH } from '../contract/paths.ts';
import type { ApiTokenContainer, Platform } from '../contract/platform.ts';
import type { Container, Pod, Volume } from '../contract/pod.ts';
import { formatValue, type FieldError } from '../schema/field-error.ts';
import { listContainers, type PlacedContainer } from './containers.ts';
import { findApiTokenNeed } from './helper-containers.ts';

/**
 * Whether the whole pod keeps the token for the API server. The ServiceAccount plugin mounts the token
 * before the webhook is called, but never sets this field: `true` was set by the author.
 */
export const isApiTokenKept = (pod: Pod, platform: Platform): boolean =>
  pod.spec?.automountServiceAccountToken === true && platform.pods.allowApiToken;

/** Whether the ServiceAccount plugin added the volume. */
export const isApiTokenVolume = ({ name }: Pick<Volume, 'name'>): boolean =>
  name.startsWith(API_TOKEN_VOLUME_PREFIX);

export type ApiTokenOptions = {
  readonly platform: Platform;
  /** Names of the pod's consumers: none of them keeps the token. */
  readonly consumers: readonly string[];
  /** Who creates the pod. `any`: the pod is running, and its creator is not known any more. */
  readonly createdBy: string | { readonly any: true };
};

/**
 * Whether one container keeps the token although the pod loses it: the platform lists it with its
 * image and the controller that creates the pod, and it is no consumer. Its name alone proves nothing.
 */
export const isApiTokenContainer = (
  { container, list }: PlacedContainer,
  { platform, consumers, createdBy }: ApiTokenOptions,
): boolean =>
  list !== 'ephemeralContainers' &&
  !consumers.includes(container.name) &&
  (platform.pods.apiTokenContainers ?? []).some(
    (entry) =>
      entry.name === container.name &&
      entry.image === getRepository(container) &&
      isCreator(entry, createdBy),
  );

const isCreator = (entry: ApiTokenContainer, createdBy: ApiTokenOptions['createdBy']): boolean =>
  typeof createdBy === 'string' ? entry.createdBy === createdBy : createdBy.any;

/** The image without tag and digest. A colon before the last slash belongs to the port. */
const getRepository = ({ image = '' }: Container): string =>
  (image.split('@')[0] ?? '').replace(/:[^/]*$/, '');

/**
 * Removes the token's mounts from every container that does not keep it, and its volume if none does,
 * and prevents the plugin from adding them again.
 */
export const buildApiTokenRemoval = (
  pod: Pod,
  isKept: (placed: PlacedContainer) => boolean,
): readonly JsonPatchOp[] => {
  const isSet = pod.spec?.automountServiceAccountToken !== undefined;
  const losers = listContainers(pod).filter((placed) => !isKept(placed));
  const kept = listTokenMounts(pod, isKept).map(({ volume }) => volume);
  return [
    ...losers.flatMap(({ container, path }) => buildMountRemoval(container, path)),
    ...buildRemovals(
      '/spec/volumes',
      pod.spec?.volumes ?? [],
      (volume) => isApiTokenVolume(volume) && !kept.includes(volume.name),
    ),
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

/** Mounts of the token in containers for which `isSelected` holds. */
export const listTokenMounts = (
  pod: Pod,
  isSelected: (placed: PlacedContainer) => boolean,
): readonly { readonly path: string; readonly volume: string; readonly at: PlacedContainer }[] =>
  listContainers(pod)
    .filter(isSelected)
    .flatMap((at) =>
      (at.container.volumeMounts ?? []).flatMap(({ name }, index) =>
        isApiTokenVolume({ name })
          ? [{ path: `${at.path}/volumeMounts/${index}`, volume: name, at }]
          : [],
      ),
    );

/**
 * Finds containers that would lose the token and cannot work without it. Such a pod would be admitted
 * and fail later, without a word about the reason.
 */
export const findUnmetTokenNeeds = (
  pod: Pod,
  isKept: (placed: PlacedContainer) => boolean,
): readonly FieldError[] =>
  listContainers(pod).flatMap((placed) => {
    const { container, path } = placed;
    const need = findApiTokenNeed(container);
    if (need === undefined || isKept(placed) || !expectsToken(pod, container)) return [];
    return [
      {
        path: `${path}/volumeMounts`,
        expected: "no API token: a pod with tasks has none without the platform's permission",
        got: `that of ${formatValue(container.name)}, which ${need.addedBy} needs`,
        rule: '5',
        hint: `${need.remedy}; or the platform lists the container in pods.apiTokenContainers`,
      },
    ];
  });

/** Whether a container mounts the token, or would get its mount after the webhooks. */
const expectsToken = (pod: Pod, { volumeMounts }: Container): boolean => {
  const mounts = volumeMounts ?? [];
  if (mounts.some(isApiTokenVolume)) return true;
  const isAutomounted =
    pod.spec?.automountServiceAccountToken !== false &&
    (pod.spec?.volumes ?? []).some(isApiTokenVolume);
  return isAutomounted && !mounts.some(({ mountPath }) => mountPath === API_TOKEN_MOUNT_PATH);
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
