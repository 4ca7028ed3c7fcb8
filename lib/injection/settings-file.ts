import type { Container, Pod, Volume } from '../contract/pod.ts';

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
  if (!file.startsWith('/') || file.split('/').includes('..')) return undefined;
  const [mount] = (volumeMounts ?? [])
    .filter(({ mountPath }) => isAtOrBelow(file, mountPath))
    .sort((one, other) => other.mountPath.length - one.mountPath.length);
  const volume = (pod.spec?.volumes ?? []).find(({ name }) => name === mount?.name);
  return volume && getConfigMapName(volume);
};

const isAtOrBelow = (file: string, folder: string): boolean =>
  file === folder || file.startsWith(folder.endsWith('/') ? folder : `${folder}/`);

/** Of a projected volume, only if it has no other source. */
const getConfigMapName = ({ configMap, projected }: Volume): string | undefined => {
  if (configMap !== undefined) return configMap.name ?? '';
  const [source, ...others] = projected?.sources ?? [];
  return others.length === 0 ? source?.configMap?.name : undefined;
};
