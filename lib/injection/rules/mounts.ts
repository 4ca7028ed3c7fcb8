import { TOKEN_VOLUME, VOLUME_PREFIX } from '../../contract/names.ts';
import { CONSUMER_MOUNT_PATH } from '../../contract/paths.ts';
import type { Container, VolumeMount } from '../../contract/pod.ts';
import { show, type Fault } from '../../reading/fault.ts';
import { admittedConsumers, otherContainers } from '../consumers.ts';
import { consumerVolumeName } from '../sidecar.ts';
import type { Judge } from './rule.ts';

/** Rule 6: a consumer sees its own socket folder as it was mounted; nobody sees anything else of ours. */
export const judgeMounts: Judge = (pod) => {
  const consumers = admittedConsumers(pod) ?? [];
  return otherContainers(pod).flatMap(({ container, path, list }) => {
    const index = list === 'ephemeralContainers' ? -1 : consumers.indexOf(container.name);
    const own = index === -1 ? undefined : consumerVolumeName(index);
    return [
      ...mounts(container, path, own),
      ...devices(container, path),
      ...fileKeys(container, path),
    ];
  });
};

const isOurs = (volume: string): boolean => volume.startsWith(VOLUME_PREFIX);

const mounts = (container: Container, path: string, own: string | undefined): readonly Fault[] => {
  const first = (container.volumeMounts ?? []).findIndex(({ name }) => name === own);
  return (container.volumeMounts ?? []).flatMap((mount, index) => {
    const at = `${path}/volumeMounts/${index}`;
    if (mount.name === own && index === first) return ownMount(mount, at);
    if (isOurs(mount.name)) return [foreignMount(mount, at)];
    return isAway(mount.mountPath) ? [] : [overlapping(mount, at)];
  });
};

const ownMount = (mount: VolumeMount, path: string): readonly Fault[] => {
  const demands = [
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
  return demands
    .filter(({ isMet }) => !isMet)
    .map(({ name, expected }) => ({
      path: `${path}/${name}`,
      expected,
      got: show(mount[name]),
    }));
};

const foreignMount = ({ name }: VolumeMount, path: string): Fault => ({
  path: `${path}/name`,
  expected:
    name === TOKEN_VOLUME ? 'no mount of the exchange token' : 'no mount of a socket of others',
  got: show(name),
});

const overlapping = ({ mountPath }: VolumeMount, path: string): Fault => ({
  path: `${path}/mountPath`,
  expected: `a path without "..", neither at, above nor below ${CONSUMER_MOUNT_PATH}`,
  got: show(mountPath),
});

const devices = (container: Container, path: string): readonly Fault[] =>
  (container.volumeDevices ?? []).flatMap(({ name }, index) => {
    if (!isOurs(name)) return [];
    const at = `${path}/volumeDevices/${index}/name`;
    return [{ path: at, expected: 'no volume of Valetkey', got: show(name) }];
  });

const fileKeys = (container: Container, path: string): readonly Fault[] =>
  (container.env ?? []).flatMap(({ valueFrom }, index) => {
    const name = valueFrom?.fileKeyRef?.volumeName ?? '';
    if (!isOurs(name)) return [];
    const at = `${path}/env/${index}/valueFrom/fileKeyRef/volumeName`;
    return [{ path: at, expected: 'no volume of Valetkey', got: show(name) }];
  });

/** What leads upwards is refused unread, as by the API server, whose language has no loops. */
const isAway = (path: string): boolean =>
  !path.split('/').includes('..') && !overlaps(path, CONSUMER_MOUNT_PATH);

/** Whether one path is at, above or below the other, however both are written. */
const overlaps = (left: string, right: string): boolean => {
  const [one, other] = [segments(left), segments(right)];
  const length = Math.min(one.length, other.length);
  return one.slice(0, length).join('/') === other.slice(0, length).join('/');
};

/** `/run` and `/var/run` are one folder in nearly every image. */
const segments = (path: string): readonly string[] => {
  const plain = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  return plain[0] === 'run' ? ['var', ...plain] : plain;
};
