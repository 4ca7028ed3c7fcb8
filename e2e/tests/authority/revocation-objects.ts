import { CustomObjectsApi, KubeConfig } from '@kubernetes/client-node';
import { runKubectl, readLogs, waitFor } from '../../cluster/kubectl.ts';
import { recordMeasurement } from '../../measurements.ts';
import { cluster, testContext } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';

export type RevocationSpec = { [field: string]: unknown; by?: string; reason?: string };

const TEST_LABEL = 'e2e.valetkey.dev/test';
const revocationResource = {
  group: 'valetkey.dev',
  version: 'v1alpha1',
  plural: 'revocations',
} as const;

/** The name under which the API server knows the stories. */
export const readTestUserName = async (): Promise<string> => {
  const { stdout } = await runKubectl(cluster, ['auth', 'whoami', '-o', 'json']);
  const { status } = JSON.parse(stdout) as { status: { userInfo: { username: string } } };
  return status.userInfo.username;
};

export const buildRevocation = (name: string, { reason = 'a story', ...spec }: RevocationSpec) => ({
  apiVersion: 'valetkey.dev/v1alpha1',
  kind: 'Revocation',
  metadata: { name, labels: { [TEST_LABEL]: 'true' } },
  spec: { reason, ...spec },
});

/** Creates it with one request, as `kubectl apply` does after it has got going; answers when it was sent. */
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

/** Lifts it; also one that is not there. */
export const deleteRevocation = (name: string) =>
  runKubectl(cluster, ['delete', 'revocation', name, '--ignore-not-found']);

/** What a consumer said on its standard output, a line of JSON each. */
export type ConsumerLine = { at: number; [field: string]: unknown };

export const readConsumerLines = async <T = ConsumerLine>({
  container = 'agent',
  ...place
}: PodRef): Promise<(T & ConsumerLine)[]> => {
  const text = await readLogs(cluster, { ...place, container });
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as T & ConsumerLine);
};

/** Waits until a consumer has said it. */
export const waitForConsumerLine = <T extends object>(
  place: PodRef,
  what: string,
  isWanted: (line: T & ConsumerLine) => boolean,
): Promise<T & ConsumerLine> =>
  waitFor(
    `${place.pod} to say ${what}`,
    async () => (await readConsumerLines<T>(place)).find(isWanted),
    {
      timeoutMs: 60_000,
    },
  );

/** Notes for how long something took, in seconds. */
export const recordSeconds = (name: string, milliseconds: number): void => {
  const value = `${(milliseconds / 1000).toFixed(2)} s`;
  recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
};
