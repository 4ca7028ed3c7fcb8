import type { ClusterAccess } from './cluster/cluster-file.ts';
import { runKubectl } from './cluster/kubectl.ts';

/** Marks what tests create. */
export const TEST_LABEL = 'e2e.valetkey.dev/test';

/** Labels of every test namespace: the runner deletes them by one, and the starter policy permits tasks there. */
export const TEST_LABELS = { [TEST_LABEL]: 'true', 'valetkey.dev/tasks': 'allowed' };

/** Selects all test namespaces. */
export const TEST_SELECTOR = `${TEST_LABEL}=true`;

/** Deletes the namespaces of tests; waits until their pods have ended unless `args` say otherwise. */
export const deleteTestNamespaces = async (
  cluster: ClusterAccess,
  args: readonly string[] = [],
): Promise<void> => {
  await runKubectl(cluster, ['delete', 'namespace', '-l', TEST_SELECTOR, ...args], {
    timeoutMs: 300_000,
  });
};
