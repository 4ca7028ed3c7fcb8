import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { SIDECAR_CONTAINER, TASK_ANNOTATION_PREFIX, TOKEN_VOLUME } from '../lib/contract/names.ts';
import {
  GATEWAY_LISTEN,
  LOOPBACK_LISTEN,
  NODE_PATH,
  PROGRAM_FOLDER,
  TELEMETRY_LISTEN,
  TOKEN_FILE_NAME,
} from '../lib/contract/paths.ts';
import type { Container, Pod } from '../lib/contract/pod.ts';
import { createRoot, createVolumes, getVolumeFolder, type ProcessLayout } from './pod-processes.ts';
import { DEMO_PROGRAMS } from './demo-programs.ts';

/** Placeholders of the addresses of the embedded cloud and of the model API. */
const CLOUD_PLACEHOLDER = 'http://cloud.example';
const MODEL_PLACEHOLDER = 'http://model.example';

const VEND_TASK = `${TASK_ANNOTATION_PREFIX}archive`;

/** The pods of `demo/pods`. Each is named by its service account. */
export type DemoPodName = 'agent' | 'reader';

/** Reads a file of `demo/pods` and sets the addresses of the embedded cloud and of the model API. */
export const readDemoPod = (name: DemoPodName, cloudEndpoint: string, modelUrl: string): Pod =>
  parse(
    readFileSync(join(DEMO_PROGRAMS.demo, 'pods', `${name}.yaml`), 'utf8')
      .replaceAll(CLOUD_PLACEHOLDER, cloudEndpoint)
      .replaceAll(MODEL_PLACEHOLDER, modelUrl),
  ) as Pod;

/** The same pod, with its vend task under a name for which no policy permits vend. */
export const renameVendTask = (pod: Pod): Pod => {
  const { [VEND_TASK]: task = '', ...others } = pod.metadata?.annotations ?? {};
  const annotations = { ...others, [`${TASK_ANNOTATION_PREFIX}backup`]: task };
  return { ...pod, metadata: { ...pod.metadata, annotations } };
};

/** Replaces the pod's folders and ports with local ones, and local paths with the image's. */
export const prepareLayout = (
  folder: string,
  running: { readonly pod: Pod; readonly uid: string; readonly podIps: readonly string[] },
  [loopback = 0, telemetry = 0, gateway = 0]: readonly number[],
): ProcessLayout => {
  const { pod, uid, podIps } = running;
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const layout: ProcessLayout = {
    folder,
    imagePaths: [
      [NODE_PATH, DEMO_PROGRAMS.node],
      // The image contains a read-only compile cache. The demo must write only to its own folder.
      [join(PROGRAM_FOLDER, 'compile-cache'), join(folder, 'compile-cache')],
      [PROGRAM_FOLDER, DEMO_PROGRAMS.folder],
      ['/app', DEMO_PROGRAMS.demo],
    ],
    ports: new Map([
      [LOOPBACK_LISTEN, loopback],
      [TELEMETRY_LISTEN, telemetry],
      [GATEWAY_LISTEN, gateway],
    ]),
    fields: {
      'metadata.name': name,
      'metadata.namespace': namespace,
      'metadata.uid': uid,
      'status.podIPs': podIps.join(','),
    },
  };
  createVolumes(layout, pod);
  for (const container of listContainers(pod)) createRoot(layout, container);
  return layout;
};

/** Path of the projected token, in a volume that only the sidecar mounts. */
export const getTokenFolder = (layout: ProcessLayout): string =>
  getVolumeFolder(layout, TOKEN_VOLUME);

export const writeProjectedToken = (layout: ProcessLayout, token: string): void =>
  writeFileSync(join(getTokenFolder(layout), TOKEN_FILE_NAME), token, { mode: 0o600 });

/**
 * Finds a container by name in any container list.
 *
 * @throws Error if the patched pod has no such container
 */
export const findContainer = (pod: Pod, name: string): Container => {
  const found = listContainers(pod).find((container) => container.name === name);
  if (found === undefined) throw new Error(`the patched pod has no container ${name}`);
  return found;
};

const listContainers = ({ spec }: Pod): readonly Container[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];

export const findSidecar = (pod: Pod): Container => findContainer(pod, SIDECAR_CONTAINER);
