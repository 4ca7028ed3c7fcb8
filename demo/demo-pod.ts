import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { SIDECAR_CONTAINER, TOKEN_VOLUME } from '../lib/contract/names.ts';
import {
  LOOPBACK_LISTEN,
  NODE_PATH,
  PROGRAM_FOLDER,
  TELEMETRY_LISTEN,
  TOKEN_FILE_NAME,
} from '../lib/contract/paths.ts';
import type { Container, Pod } from '../lib/contract/pod.ts';
import { createRoot, createVolumes, getVolumeFolder, type ProcessLayout } from './pod-processes.ts';
import { DEMO_PROGRAMS } from './demo-programs.ts';

const POD_FILE = join(DEMO_PROGRAMS.demo, 'pods', 'agent.yaml');
const CLOUD_ENDPOINT = 'AWS_ENDPOINT_URL_S3';

/** `demo/pods/agent.yaml`, with the embedded cloud's address where the author wrote a cloud's. */
export const readDemoPod = (cloudEndpoint: string): Pod => {
  const pod = parse(readFileSync(POD_FILE, 'utf8')) as Pod;
  const containers = (pod.spec?.containers ?? []).map((container) => ({
    ...container,
    env: (container.env ?? []).map((one) =>
      one.name === CLOUD_ENDPOINT ? { ...one, value: cloudEndpoint } : one,
    ),
  }));
  return { ...pod, spec: { ...pod.spec, containers } };
};

/** Replaces the pod's folders and ports with local ones, and local paths with the image's. */
export const prepareLayout = (
  folder: string,
  { pod, uid }: { readonly pod: Pod; readonly uid: string },
  [loopback, telemetry]: readonly [number, number],
): ProcessLayout => {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const ground: ProcessLayout = {
    folder,
    imagePaths: [
      [NODE_PATH, DEMO_PROGRAMS.node],
      // Its own place is in the image, and read-only; here the demo's folder stays the only one.
      [join(PROGRAM_FOLDER, 'compile-cache'), join(folder, 'compile-cache')],
      [PROGRAM_FOLDER, DEMO_PROGRAMS.folder],
      ['/app', DEMO_PROGRAMS.demo],
    ],
    ports: new Map([
      [LOOPBACK_LISTEN, loopback],
      [TELEMETRY_LISTEN, telemetry],
    ]),
    fields: {
      'metadata.name': name,
      'metadata.namespace': namespace,
      'metadata.uid': uid,
      'status.podIPs': '127.0.0.1',
    },
  };
  createVolumes(ground, pod);
  for (const container of listContainers(pod)) createRoot(ground, container);
  return ground;
};

/** Where the projected token is: in a volume that only the sidecar mounts. */
export const getTokenFolder = (ground: ProcessLayout): string =>
  getVolumeFolder(ground, TOKEN_VOLUME);

export const writeProjectedToken = (ground: ProcessLayout, token: string): void =>
  writeFileSync(join(getTokenFolder(ground), TOKEN_FILE_NAME), token, { mode: 0o600 });

/**
 * Finds a container by name in any container list.
 *
 * @throws Error when the patched pod has none
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
