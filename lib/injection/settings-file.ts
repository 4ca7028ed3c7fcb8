import type { Container, Pod, Volume, VolumeMount } from '../contract/pod.ts';
import { isAtOrBelow, splitMountPath } from './mount-paths.ts';

/**
 * Finds the ConfigMap that a file of a container comes from. A ConfigMap is for settings: keys belong into
 * a Secret.
 *
 * @param file absolute path in the container
 * @returns the ConfigMap's name; undefined if the file comes from elsewhere
 */
export const findSettingsConfigMap = (
  pod: Pod,
  { volumeMounts }: Container,
  file: string,
): string | undefined => {
  // The kubelet replaces $(NAME) after admission.
  if (!file.startsWith('/') || file.split('/').includes('..') || file.includes('$(')) {
    return undefined;
  }
  const mounts = (volumeMounts ?? []).filter(({ mountPath }) => isAtOrBelow(file, mountPath));
  const depth = Math.max(...mounts.map(countSegments));
  // Two spellings of one path are two mounts, and either may win.
  const maps = mounts
    .filter((mount) => countSegments(mount) === depth)
    .map((mount) => findConfigMapName(pod, mount));
  return maps.includes(undefined) ? undefined : maps[0];
};

const countSegments = ({ mountPath }: VolumeMount): number => splitMountPath(mountPath).length;

const findConfigMapName = (pod: Pod, mount: VolumeMount): string | undefined => {
  const volume = (pod.spec?.volumes ?? []).find(({ name }) => name === mount.name);
  return volume && getConfigMapName(volume);
};

/** Of a projected volume, only if it has no other source. */
const getConfigMapName = ({ configMap, projected }: Volume): string | undefined => {
  if (configMap !== undefined) return configMap.name ?? '';
  const [source, ...others] = projected?.sources ?? [];
  return others.length === 0 ? source?.configMap?.name : undefined;
};
