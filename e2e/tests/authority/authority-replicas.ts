import { waitFor } from '../../../test/kit/retry.ts';
import { getJson, runKubectl } from '../../cluster/kubectl.ts';
import type { ContainerStatus } from '../node-access.ts';
import { cluster, testContext } from '../test-context.ts';

const namespaceArgs = ['-n', testContext.release.namespace];
const statefulSet = 'statefulset/valetkey-authority';

type ReplicaPod = {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  status: { podIP?: string; containerStatuses?: ContainerStatus[] };
};

/** Lists all replica pods, including terminating ones. */
export const listReplicaPods = async (): Promise<ReplicaPod[]> => {
  const where = ['pods', ...namespaceArgs, '-l', 'app.kubernetes.io/component=authority'];
  return (await getJson<{ items: ReplicaPod[] }>(cluster, where)).items;
};

export const hasReadyReplicas = async (count: number): Promise<boolean> => {
  const ready = (await listReplicaPods()).filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      status.containerStatuses?.every((container) => container.ready) === true,
  );
  return ready.length === count;
};

/** Sets the number of replicas, and waits until exactly these are ready. */
export const scaleReplicas = async (replicas: number): Promise<void> => {
  await runKubectl(cluster, ['scale', statefulSet, ...namespaceArgs, `--replicas=${replicas}`]);
  await waitFor(
    `${replicas} replicas of the authority`,
    async () => (await listReplicaPods()).length === replicas && (await hasReadyReplicas(replicas)),
    { timeoutMs: 150_000 },
  );
};

/** Replaces the replicas one after another. */
export const restartReplicas = async (): Promise<void> => {
  await runKubectl(cluster, ['rollout', 'restart', statefulSet, ...namespaceArgs]);
  const args = ['rollout', 'status', statefulSet, ...namespaceArgs, '--timeout=300s'];
  await runKubectl(cluster, args, { timeoutMs: 310_000 });
};
