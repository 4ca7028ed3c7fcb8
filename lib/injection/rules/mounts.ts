import { TOKEN_VOLUME, VOLUME_PREFIX } from '../../contract/names.ts';
import { CONSUMER_MOUNT_PATH } from '../../contract/paths.ts';
import type { Container, VolumeMount } from '../../contract/pod.ts';
import { formatValue, type FieldError } from '../../schema/field-error.ts';
import { readAdmittedConsumers, listOtherContainers } from '../consumers.ts';
import { formatConsumerVolumeName } from '../injected-fields.ts';
import { isAtOrBelow } from '../mount-paths.ts';
import type { RuleCheck } from './rule.ts';

/** Rule 6: a consumer mounts only its own socket volume, as injected; others mount no reserved volume. */
export const checkMounts: RuleCheck = (pod) => {
  const consumers = readAdmittedConsumers(pod) ?? [];
  return listOtherContainers(pod).flatMap(({ container, path, list }) => {
    const index = list === 'ephemeralContainers' ? -1 : consumers.indexOf(container.name);
    const own = index === -1 ? undefined : formatConsumerVolumeName(index);
    return [
      ...checkVolumeMounts(container, path, own),
      ...checkVolumeDevices(container, path),
      ...checkFileKeys(container, path),
    ];
  });
};

const isReservedVolume = (volume: string): boolean => volume.startsWith(VOLUME_PREFIX);

const checkVolumeMounts = (
  container: Container,
  path: string,
  own: string | undefined,
): readonly FieldError[] => {
  const first = (container.volumeMounts ?? []).findIndex(({ name }) => name === own);
  return (container.volumeMounts ?? []).flatMap((mount, index) => {
    const at = `${path}/volumeMounts/${index}`;
    if (mount.name === own && index === first) return checkOwnMount(mount, at);
    if (isReservedVolume(mount.name)) return [buildForeignMountError(mount, at)];
    return isSeparate(mount.mountPath) ? [] : [buildOverlapError(mount, at)];
  });
};

const checkOwnMount = (mount: VolumeMount, path: string): readonly FieldError[] => {
  const requirements = [
    {
      name: 'mountPath',
      isMet: mount.mountPath === CONSUMER_MOUNT_PATH,
      expected: CONSUMER_MOUNT_PATH,
    },
    { name: 'readOnly', isMet: mount.readOnly === true, expected: 'true' },
    { name: 'subPath', isMet: !mount.subPath, expected: 'nothing' },
    { name: 'subPathExpr', isMet: !mount.subPathExpr, expected: 'nothing' },
    {
      name: 'mountPropagation',
      isMet: (mount.mountPropagation ?? 'None') === 'None',
      expected: 'None or nothing',
    },
  ] as const;
  return requirements
    .filter(({ isMet }) => !isMet)
    .map(({ name, expected }) => ({
      path: `${path}/${name}`,
      expected,
      got: formatValue(mount[name]),
    }));
};

const buildForeignMountError = ({ name }: VolumeMount, path: string): FieldError => ({
  path: `${path}/name`,
  expected:
    name === TOKEN_VOLUME
      ? 'no mount of the exchange token'
      : "no mount of another consumer's socket",
  got: formatValue(name),
});

const buildOverlapError = ({ mountPath }: VolumeMount, path: string): FieldError => ({
  path: `${path}/mountPath`,
  expected: `a path without "..", neither at, above nor below ${CONSUMER_MOUNT_PATH}`,
  got: formatValue(mountPath),
  hint: OVERLAP_HINT,
});

/** Docker in Docker and read-only root file systems commonly bring an emptyDir at /run or /var/run. */
const OVERLAP_HINT =
  'an emptyDir at /run or /var/run hides the socket: mount it at a directory below, such as /var/run/docker with DOCKER_HOST=unix:///var/run/docker/docker.sock, or at /tmp';

const checkVolumeDevices = (container: Container, path: string): readonly FieldError[] =>
  (container.volumeDevices ?? []).flatMap(({ name }, index) => {
    if (!isReservedVolume(name)) return [];
    const at = `${path}/volumeDevices/${index}/name`;
    return [
      { path: at, expected: 'no volume that is reserved for Valetkey', got: formatValue(name) },
    ];
  });

const checkFileKeys = (container: Container, path: string): readonly FieldError[] =>
  (container.env ?? []).flatMap(({ valueFrom }, index) => {
    const name = valueFrom?.fileKeyRef?.volumeName ?? '';
    if (!isReservedVolume(name)) return [];
    const at = `${path}/env/${index}/valueFrom/fileKeyRef/volumeName`;
    return [
      { path: at, expected: 'no volume that is reserved for Valetkey', got: formatValue(name) },
    ];
  });

/** Any `..` is refused without resolving it, like in CEL, which has no loops. */
const isSeparate = (path: string): boolean =>
  !path.split('/').includes('..') &&
  !isAtOrBelow(path, CONSUMER_MOUNT_PATH) &&
  !isAtOrBelow(CONSUMER_MOUNT_PATH, path);
