import { getJson } from '../../../cluster/kubectl.ts';
import type { ContainerStatus } from '../../node-access.ts';
import { cluster, testContext } from '../../test-context.ts';

const releaseNamespace = testContext.release.namespace;
const TELEMETRY_PORT = 9444;

export type WebhookReplica = ContainerStatus & { pod: string };

type ReplicaPod = {
  metadata: { name: string };
  status: { containerStatuses?: ContainerStatus[] };
};

/** Lists all replicas, including terminating ones. */
export const listWebhookReplicas = async (): Promise<WebhookReplica[]> => {
  const where = ['pods', '-n', releaseNamespace, '-l', 'app.kubernetes.io/component=webhook'];
  const { items } = await getJson<{ items: ReplicaPod[] }>(cluster, where);
  return items.flatMap(({ metadata, status }) =>
    (status.containerStatuses ?? []).map((container) => ({ ...container, pod: metadata.name })),
  );
};

/** Whether exactly two replicas exist, the chart's default, and both are ready. */
export const hasBothReady = async (): Promise<boolean> => {
  const replicas = await listWebhookReplicas();
  return replicas.length === 2 && replicas.every(({ ready }) => ready);
};

/** Builds the path of a replica's metrics at the API server's proxy. */
export const buildMetricsPath = ({ pod }: WebhookReplica): string =>
  `/api/v1/namespaces/${releaseNamespace}/pods/${pod}:${TELEMETRY_PORT}/proxy/metrics`;

/** Reads the number of answered reviews from a replica's metrics. */
export const parseReviewCount = (metrics: string): number =>
  [...metrics.matchAll(/^valetkey_webhook_admissions_total\{[^}]*\} (\d+)$/gm)]
    .map(([, count]) => Number(count))
    .reduce((sum, count) => sum + count, 0);

type Configuration = { webhooks: { name: string; timeoutSeconds: number }[] };

/** Returns the longest time in milliseconds that the API server waits for both webhooks of a pod. */
export const readWebhookTimeoutMs = async (): Promise<number> => {
  const kinds = ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration'];
  const found = await Promise.all(
    kinds.map((kind) => getJson<Configuration>(cluster, [kind, 'valetkey'])),
  );
  return found
    .flatMap(({ webhooks }) => webhooks)
    .filter(({ name }) => name.startsWith('mutate.') || name.startsWith('validate.'))
    .reduce((sum, { timeoutSeconds }) => sum + timeoutSeconds * 1000, 0);
};
