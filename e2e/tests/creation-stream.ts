import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { waitFor } from '../../test/kit/retry.ts';
import { buildAgentPod, cluster } from './test-context.ts';
import type { Declaration } from './test-context.ts';

/** At most this many creations at once, and this many in all: a stream ends by itself. */
const CONCURRENT_CREATIONS = 2;
const MAX_CREATIONS = 20_000;

/**
 * Creates pods with tasks without pause, as server-side dry runs: the API server asks both of our
 * webhooks for each, and the node has nothing to run. Every answer but 201 is a failure.
 */
export const startCreationStream = (namespace: string, tasks: Record<string, Declaration>) => {
  const failures: string[] = [];
  let created = 0;
  let sent = 0;
  let isStopped = false;
  const api = createCoreApi();
  const lane = async () => {
    while (!isStopped && sent < MAX_CREATIONS) {
      const pod = buildAgentPod({ name: `stream-${(sent += 1)}`, namespace, tasks });
      const failure = await createDryRun(api, namespace, pod);
      if (failure === undefined) created += 1;
      else failures.push(failure);
    }
  };
  const lanes = Promise.all(Array.from({ length: CONCURRENT_CREATIONS }, lane));
  return {
    more: async (count: number) => {
      const goal = created + count;
      await waitFor(`${count} more pods`, () => created >= goal || failures.length > 0);
    },
    stop: async () => {
      isStopped = true;
      await lanes;
      return { created, failures };
    },
  };
};

const createCoreApi = (): CoreV1Api => {
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  return config.makeApiClient(CoreV1Api);
};

const createDryRun = async (
  api: CoreV1Api,
  namespace: string,
  pod: object,
): Promise<string | undefined> => {
  try {
    await api.createNamespacedPod({ namespace, body: pod, dryRun: 'All' });
    return undefined;
  } catch (error) {
    return String(error).slice(0, 500);
  }
};
