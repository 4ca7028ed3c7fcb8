import { CustomObjectsApi, KubeConfig } from '@kubernetes/client-node';
import { waitFor } from '../../../test/kit/retry.ts';
import { runKubectl, readLogs } from '../../cluster/kubectl.ts';
import { recordMeasurement } from '../../measurements.ts';
import { TEST_LABEL } from '../../test-namespaces.ts';
import { cluster, testContext } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';

export type RevocationSpec = { [field: string]: unknown; by?: string; reason?: string };

const revocationResource = {
  group: 'valetkey.dev',
  version: 'v1alpha1',
  plural: 'revocations',
} as const;

/** The user name that the API server sees for the tests' own requests. */
export const readTestUserName = async (): Promise<string> => {
  const { stdout } = await runKubectl(cluster, ['auth', 'whoami', '-o', 'json']);
  const { status } = JSON.parse(stdout) as { status: { userInfo: { username: string } } };
  return status.userInfo.username;
};

export const buildRevocation = (
  name: string,
  { reason = 'an end-to-end test', ...spec }: RevocationSpec,
) => ({
  apiVersion: 'valetkey.dev/v1alpha1',
  kind: 'Revocation',
  metadata: { name, labels: { [TEST_LABEL]: 'true' } },
  spec: { reason, ...spec },
});

/**
 * Creates a Revocation with one request, without the start-up time of kubectl.
 *
 * @returns when the request was sent, in epoch milliseconds
 */
export const createRevocation = async (name: string, spec: RevocationSpec): Promise<number> => {
  const by = spec.by ?? (await readTestUserName());
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  const api = config.makeApiClient(CustomObjectsApi);
  const body = buildRevocation(name, { ...spec, by });
  const sentAt = Date.now();
  await api.createClusterCustomObject({ ...revocationResource, body });
  return sentAt;
};

/** Deletes a Revocation, if it exists. */
export const deleteRevocation = (name: string) =>
  runKubectl(cluster, ['delete', 'revocation', name, '--ignore-not-found']);

/** Names of Revocations, which are cluster-scoped, with the matrix entry as suffix. */
export const createRevocationNames = <T extends string>(...names: T[]) => {
  const get = (name: T): string => `${name}-${testContext.entry}`;
  return { get, deleteAll: () => Promise.all(names.map((name) => deleteRevocation(get(name)))) };
};

/** A line of JSON that a consumer printed on its standard output. */
export type ConsumerLine = { at: number; [field: string]: unknown };

export const readConsumerLines = async <T = ConsumerLine>({
  container = 'agent',
  ...place
}: PodRef): Promise<(T & ConsumerLine)[]> => {
  const text = await readLogs(cluster, { ...place, container });
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as T & ConsumerLine);
};

/** Waits for a line that a consumer prints. */
export const waitForConsumerLine = <T extends object>(
  place: PodRef,
  description: string,
  isWanted: (line: T & ConsumerLine) => boolean,
): Promise<T & ConsumerLine> =>
  waitFor(
    `${place.pod} to report ${description}`,
    async () => (await readConsumerLines<T>(place)).find(isWanted),
    { timeoutMs: 60_000 },
  );

/** The agent's command that reports when the sidecar, and when the cloud, first refuses. */
export const watchCommand = ['watch', 'acme-data', 'reports/q3.csv'];

/** The first line of {@link watchCommand}: the cloud accepts its credentials. */
export const isHoldingLine = (line: { holds?: number }): boolean => line.holds === 200;

/** The later lines of {@link watchCommand}. */
export type RefusalLine = {
  refusedBy: 'sidecar' | 'cloud';
  askedAt: number;
  status: number;
  code: string;
};

/** Records a duration as a measurement in seconds. */
export const recordSeconds = (name: string, milliseconds: number): void => {
  const value = `${(milliseconds / 1000).toFixed(2)} s`;
  recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
};
