import { getJson, kubectl, waitFor } from '../../cluster/kubectl.ts';
import type { ContainerStatus } from '../node.ts';
import { cluster, stage } from '../stage.ts';

const home = ['-n', stage.release.namespace];
const set = 'statefulset/valetkey-authority';

type ReplicaPod = {
  metadata: { name: string; deletionTimestamp?: string };
  status: { podIP?: string; containerStatuses?: ContainerStatus[] };
};

/** All that there are, those that are ending included. */
export const replicaPods = async (): Promise<ReplicaPod[]> => {
  const where = ['pods', ...home, '-l', 'app.kubernetes.io/component=authority'];
  return (await getJson<{ items: ReplicaPod[] }>(cluster, where)).items;
};

export const areReady = async (count: number): Promise<boolean> => {
  const ready = (await replicaPods()).filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      status.containerStatuses?.every((container) => container.ready) === true,
  );
  return ready.length === count;
};

/** Has so many replicas, and waits until they are all that there are. */
export const scaleTo = async (replicas: number): Promise<void> => {
  await kubectl(cluster, ['scale', set, ...home, `--replicas=${replicas}`]);
  await waitFor(
    `${replicas} replicas of the authority`,
    async () => (await replicaPods()).length === replicas && (await areReady(replicas)),
    { timeoutMs: 150_000 },
  );
};

/** Replaces every replica, one after another. */
export const restartReplicas = async (): Promise<void> => {
  await kubectl(cluster, ['rollout', 'restart', set, ...home]);
  const args = ['rollout', 'status', set, ...home, '--timeout=300s'];
  await kubectl(cluster, args, { timeoutMs: 310_000 });
};
