import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Container, EnvVar, Pod } from '../lib/contract/pod.ts';
import type { ChildPlan } from './child-process.ts';

/**
 * How a pod's containers run as processes of this machine. Volumes are folders, and each container has
 * a root folder: paths at, above or below one of its mounts are moved below that root.
 * {@link ProcessLayout.ports} replaces ports of `127.0.0.1:<port>`, because fixed ports may be in use.
 */
export type ProcessLayout = {
  readonly folder: string;
  /** Local paths by path in the image, in order: `/usr/local/bin/node`, `/opt/valetkey/…`. */
  readonly imagePaths: readonly (readonly [image: string, here: string])[];
  readonly ports: ReadonlyMap<number, number>;
  /** Values of the downward API, by the field path that `buildFieldRef` writes. */
  readonly fields: Readonly<Record<string, string>>;
};

/** Returns the folder of a volume. */
export const getVolumeFolder = (
  { folder }: Pick<ProcessLayout, 'folder'>,
  volume: string,
): string => join(folder, 'volumes', volume);

/** Creates a folder for each volume of a pod. */
export const createVolumes = (layout: ProcessLayout, pod: Pod): void => {
  for (const { name } of pod.spec?.volumes ?? []) {
    mkdirSync(getVolumeFolder(layout, name), { recursive: true });
  }
};

/** Links a container's volumes into its root folder, and creates its home folder. */
export const createRoot = (layout: ProcessLayout, container: Container): void => {
  mkdirSync(getHomeFolder(layout, container), { recursive: true });
  for (const { name, mountPath } of container.volumeMounts ?? []) {
    const at = join(getRootFolder(layout, container), mountPath);
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(getVolumeFolder(layout, name), at);
  }
};

const getRootFolder = ({ folder }: ProcessLayout, { name }: Container): string =>
  join(folder, 'roots', name);
const getHomeFolder = ({ folder }: ProcessLayout, { name }: Container): string =>
  join(folder, 'home', name);

/** Converts a container to a process with exactly the container's command and environment. */
export const buildProcess = (layout: ProcessLayout, container: Container): ChildPlan => {
  const root = getRootFolder(layout, container);
  const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
  const moved = (text: string): string => mapPorts(layout, mapPath({ layout, root, mounts }, text));
  const home = getHomeFolder(layout, container);
  const env = Object.fromEntries(
    (container.env ?? []).map((one) => [one.name, resolveValue(layout, one)]),
  );
  return {
    name: container.name,
    command: [...(container.command ?? []), ...(container.args ?? [])].map(moved),
    env: {
      HOME: home,
      TMPDIR: home,
      ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, moved(value)])),
    },
    log: join(layout.folder, 'logs', `${container.name}.log`),
    cwd: home,
  };
};

const resolveValue = ({ fields }: ProcessLayout, { name, value, valueFrom }: EnvVar): string => {
  if (valueFrom === undefined) return value ?? '';
  const field = fields[valueFrom.fieldRef?.fieldPath ?? ''];
  if (field === undefined) throw new Error(`${name}: the demo knows no such source`);
  return field;
};

type ContainerView = {
  readonly layout: ProcessLayout;
  readonly root: string;
  readonly mounts: readonly string[];
};

const mapPath = ({ layout, root, mounts }: ContainerView, text: string): string => {
  const image = layout.imagePaths.find(([path]) => isWithin(text, path));
  if (image) return `${image[1]}${text.slice(image[0].length)}`;
  const isMoved = mounts.some((mount) => isWithin(text, mount) || isWithin(mount, text));
  return text.startsWith('/') && isMoved ? join(root, text) : text;
};

const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`);

/** Matches listen addresses (`host:port`, with an optional host) and URLs of 127.0.0.1 only. */
const mapPorts = ({ ports }: ProcessLayout, text: string): string =>
  text.replace(
    /^((?:http:\/\/)?127\.0\.0\.1:|:)(\d+)(?=$|\/)/,
    (whole, before: string, port: string) => {
      const moved = ports.get(Number(port));
      return moved === undefined ? whole : `${before}${moved}`;
    },
  );
