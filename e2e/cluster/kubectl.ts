import { waitFor } from '../../test/kit/retry.ts';
import type { WaitOptions } from '../../test/kit/retry.ts';
import { runInside } from './network-namespace.ts';
import type { Output, RunOptions } from './command.ts';
import type { ClusterAccess } from './cluster-file.ts';

export type KubectlOptions = Pick<RunOptions, 'input' | 'timeoutMs'>;

/** Runs kubectl, from inside or outside the cluster's network. @throws CommandError with its standard error */
export function runKubectl(
  cluster: ClusterAccess,
  args: string[],
  options: KubectlOptions = {},
): Promise<Output> {
  const all = ['--kubeconfig', cluster.kubeconfig, ...args];
  return runInside(cluster.namespace, cluster.kubectlProgram, all, options);
}

/** Applies objects or YAML; returns the output of kubectl. */
export async function applyObjects(
  cluster: ClusterAccess,
  objects: string | object | object[],
  args: string[] = [],
): Promise<string> {
  const input = typeof objects === 'string' ? objects : JSON.stringify(toList(objects));
  const { stdout } = await runKubectl(cluster, ['apply', '-f', '-', ...args], { input });
  return stdout;
}

/** Runs `kubectl get … -o json`. */
export async function getJson<T>(cluster: ClusterAccess, args: string[]): Promise<T> {
  const { stdout } = await runKubectl(cluster, ['get', ...args, '-o', 'json']);
  return JSON.parse(stdout) as T;
}

export type ContainerRef = { namespace?: string; pod: string; container?: string };

export function execInPod(
  cluster: ClusterAccess,
  place: ContainerRef,
  command: string[],
  options: KubectlOptions = {},
): Promise<Output> {
  const stdin = options.input === undefined ? [] : ['-i'];
  return runKubectl(
    cluster,
    ['exec', ...buildContainerArgs(place), ...stdin, '--', ...command],
    options,
  );
}

export async function readLogs(
  cluster: ClusterAccess,
  place: ContainerRef,
  args: string[] = [],
): Promise<string> {
  const { stdout } = await runKubectl(cluster, ['logs', ...buildContainerArgs(place), ...args]);
  return stdout;
}

/** Waits up to 150 s until the pod is Ready; the error contains its status. */
export async function waitForPod(
  cluster: ClusterAccess,
  place: ContainerRef,
  options: WaitOptions = { timeoutMs: 150_000 },
): Promise<void> {
  await waitFor(
    `pod ${place.pod} to be Ready`,
    async () => {
      const { status } = await getJson<{ status: PodStatus }>(cluster, [
        'pod',
        ...buildContainerArgs(place),
      ]);
      const isReady = status.conditions?.some(
        ({ type, status: value }) => type === 'Ready' && value === 'True',
      );
      if (!isReady) throw new Error(JSON.stringify(status));
      return true;
    },
    options,
  );
}

type PodStatus = { conditions?: { type: string; status: string }[] };

function buildContainerArgs(place: ContainerRef): string[] {
  const container = place.container === undefined ? [] : ['-c', place.container];
  return ['-n', place.namespace ?? 'default', place.pod, ...container];
}

function toList(objects: object | object[]): object {
  return Array.isArray(objects) ? { apiVersion: 'v1', kind: 'List', items: objects } : objects;
}
