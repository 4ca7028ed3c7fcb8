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
  status: {
    podIP: string;
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
};

export const readPodUid = async ({ namespace, pod }: PodRef): Promise<string> =>
  (await readPod<PodStatus>(namespace, pod)).metadata.uid;

/** Reads the exchange token of a pod from the kubelet's folder on the node. */
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

export const readContainerStatus = async ({
  namespace,
  pod,
  container = 'agent',
}: PodRef): Promise<ContainerStatus> => {
  const { status } = await readPod<PodStatus>(namespace, pod);
  const found = status.containerStatuses?.find(({ name }) => name === container);
  if (found === undefined) throw new Error(`pod ${pod} has no container ${container}`);
  return found;
};

/** Kills the sidecar's process, as the out-of-memory killer would, and waits until it has restarted. */
export const killSidecar = async (node: Cluster, place: PodRef): Promise<void> => {
  const before = await readSidecarStatus(place);
  await killContainer(node, before);
  await waitFor('the sidecar to be restarted', async () => {
    const now = await readSidecarStatus(place);
    return now.restartCount > before.restartCount && now.started === true;
  });
};

/** Sends SIGKILL to the first process of a container. */
export const killContainer = async (
  { containerdSocket }: Cluster,
  status: Pick<ContainerStatus, 'containerID'>,
): Promise<void> => {
  const args = ['--address', containerdSocket, '-n', 'k8s.io', 'tasks', 'kill', '-s', '9'];
  await runCommand('ctr', [...args, getContainerId(status)]);
};

const getContainerId = ({ containerID }: Pick<ContainerStatus, 'containerID'>): string =>
  containerID?.replace('containerd://', '') ?? '';

/** Finds the first process of a container, by its ID on the node. */
export const findProcessId = async (
  { containerdSocket }: Cluster,
  status: Pick<ContainerStatus, 'containerID'>,
): Promise<string> => {
  const id = getContainerId(status);
  const args = ['--address', containerdSocket, '-n', 'k8s.io', 'tasks', 'ls'];
  const { stdout } = await runCommand('ctr', args);
  const processId = new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(stdout)?.[1];
  if (processId === undefined)
    throw new Error(`container ${id}: expected it among the tasks of containerd, found none`);
  return processId;
};

/**
 * Drops all packets between a pod and an address, as a network outage does.
 *
 * @returns a function that ends the outage
 */
export const blockTraffic = async (
  node: Cluster,
  place: PodRef,
  address: string,
): Promise<() => Promise<void>> => {
  const processId = await findProcessId(node, await readSidecarStatus(place));
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

/**
 * Refuses all connections of a pod to an address and port, also those that are open.
 *
 * @param status of any running container of the pod
 * @returns a function that ends it
 */
export const rejectConnections = async (
  node: Cluster,
  status: Pick<ContainerStatus, 'containerID'>,
  { address, port }: { readonly address: string; readonly port: number },
): Promise<() => Promise<unknown>> => {
  const processId = await findProcessId(node, status);
  const change = (verb: '-A' | '-D') =>
    runCommand('nsenter', [
      ...[`--net=/proc/${processId}/ns/net`, 'iptables', verb, 'OUTPUT', '-p', 'tcp'],
      ...['-d', address, '--dport', `${port}`, '-j', 'REJECT', '--reject-with', 'tcp-reset'],
    ]);
  await change('-A');
  return () => change('-D');
};

/** Memory of the sidecar's container in bytes, without the page cache. */
export type MemoryUse = { before: number; peak: number; limit: number };

/** Reads the memory of the sidecar's cgroup until it is stopped. */
export const startMemoryMeter = async (
  node: Cluster,
  place: PodRef,
): Promise<{ stop: () => MemoryUse }> => {
  const read = createMemoryReader(await findProcessId(node, await readSidecarStatus(place)));
  const { used: before, limit } = read();
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, read().used)), MEMORY_INTERVAL_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return { before, peak: Math.max(peak, read().used), limit };
    },
  };
};

const MEMORY_INTERVAL_MS = 50;

/** The folder of a process's memory cgroup; v1 has one hierarchy for each controller. */
const findCgroup = (processId: string): { folder: string; isV1: boolean } => {
  const groups = readFileSync(`/proc/${processId}/cgroup`, 'utf8');
  const v1 = /^\d+:memory:(.*)$/m.exec(groups)?.[1];
  const v2 = /^0::(.*)$/m.exec(groups)?.[1] ?? '';
  return v1 === undefined
    ? { folder: join('/sys/fs/cgroup', v2), isV1: false }
    : { folder: join('/sys/fs/cgroup/memory', v1), isV1: true };
};

/** Lists the processes of a container, by their IDs on the node. */
export const listContainerProcesses = (firstProcessId: string): string[] =>
  readFileSync(join(findCgroup(firstProcessId).folder, 'cgroup.procs'), 'utf8')
    .split('\n')
    .filter(Boolean);

const createMemoryReader = (processId: string): (() => { used: number; limit: number }) => {
  const { folder, isV1 } = findCgroup(processId);
  const limitFile = isV1 ? 'memory.limit_in_bytes' : 'memory.max';
  const used = isV1 ? /^rss (\d+)$/m : /^anon (\d+)$/m;
  return () => ({
    used: Number(used.exec(readFileSync(join(folder, 'memory.stat'), 'utf8'))?.[1]),
    limit: Number(readFileSync(join(folder, limitFile), 'utf8')),
  });
};
