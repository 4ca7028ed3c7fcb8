import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../test/kit/retry.ts';
import { runCommand } from '../cluster/command.ts';
import type { Cluster } from '../cluster/cluster-file.ts';
import { readPod } from './test-context.ts';
import type { PodRef } from './test-context.ts';

export type ContainerStatus = {
  name: string;
  containerID?: string;
  restartCount: number;
  ready: boolean;
  started?: boolean;
};
type PodStatus = {
  metadata: { uid: string };
  status: { podIP: string; initContainerStatuses?: ContainerStatus[] };
};

export const readPodUid = async ({ namespace, pod }: PodRef): Promise<string> =>
  (await readPod<PodStatus>(namespace, pod)).metadata.uid;

/** The exchange token of a pod, as the kubelet keeps it on the node. */
export const readExchangeToken = async (
  { podsFolder }: Cluster,
  place: PodRef,
): Promise<string> => {
  const volumes = join(podsFolder, await readPodUid(place), 'volumes');
  const file = join(volumes, 'kubernetes.io~projected', 'valetkey-token', 'token');
  return readFileSync(file, 'utf8');
};

export const readPodAddress = async ({ namespace, pod }: PodRef): Promise<string> =>
  (await readPod<PodStatus>(namespace, pod)).status.podIP;

export const readSidecarStatus = async ({ namespace, pod }: PodRef): Promise<ContainerStatus> => {
  const { status } = await readPod<PodStatus>(namespace, pod);
  const found = status.initContainerStatuses?.find(({ name }) => name === 'valetkey-sidecar');
  if (found === undefined) throw new Error(`pod ${pod} has no sidecar`);
  return found;
};

/** SIGKILL to the sidecar's process, as the node's out-of-memory killer would; waits for its successor. */
export const killSidecar = async (node: Cluster, place: PodRef): Promise<void> => {
  const before = await readSidecarStatus(place);
  await killContainer(node, before);
  await waitFor('the sidecar to be restarted', async () => {
    const now = await readSidecarStatus(place);
    return now.restartCount > before.restartCount && now.started === true;
  });
};

/** SIGKILL to the first process of a container. */
export const killContainer = async (
  { containerdSocket }: Cluster,
  status: Pick<ContainerStatus, 'containerID'>,
): Promise<void> => {
  const args = ['--address', containerdSocket, '-n', 'k8s.io', 'tasks', 'kill', '-s', '9'];
  await runCommand('ctr', [...args, getContainerId(status)]);
};

const getContainerId = ({ containerID }: Pick<ContainerStatus, 'containerID'>): string =>
  containerID?.replace('containerd://', '') ?? '';

/**
 * Keeps the pod from hearing of an address, and the address from hearing of the pod, until it is
 * mended: for its connections it is as if cables were pulled.
 */
export const blockTraffic = async (
  { containerdSocket }: Cluster,
  place: PodRef,
  address: string,
): Promise<() => Promise<void>> => {
  const id = getContainerId(await readSidecarStatus(place));
  const { stdout } = await runCommand('ctr', [
    '--address',
    containerdSocket,
    '-n',
    'k8s.io',
    'tasks',
    'ls',
  ]);
  const processId = new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(stdout)?.[1];
  if (processId === undefined)
    throw new Error(`pod ${place.pod}: its sidecar is no task of the node`);
  const change = async (verb: '-A' | '-D') => {
    for (const rule of [
      ['OUTPUT', '-d'],
      ['INPUT', '-s'],
    ] as const)
      await runCommand('nsenter', [
        `--net=/proc/${processId}/ns/net`,
        'iptables',
        verb,
        rule[0],
        rule[1],
        address,
        '-j',
        'DROP',
      ]);
  };
  await change('-A');
  return () => change('-D');
};
