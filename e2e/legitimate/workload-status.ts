import { waitFor } from '../../test/kit/retry.ts';
import { getJson, runKubectl } from '../cluster/kubectl.ts';
import { cluster } from '../tests/test-context.ts';
import type { Workload } from './workloads.ts';

type ContainerStatus = { readonly name: string; readonly restartCount: number };
export type PodStatus = {
  readonly qosClass?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
  readonly containerStatuses?: readonly ContainerStatus[];
};

/** A pod or a Job as it is now. */
export type ObservedObject = {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly status: PodStatus;
};

/** Waits until the workload is what its team wants it to be; answers its pods. */
export const waitUntilSettled = (
  workload: Workload,
  namespace: string,
): Promise<readonly ObservedObject[]> => {
  const { name, pods: count = 1, completes } = workload;
  const [kind, condition] = completes === true ? ['Job', 'Complete'] : ['Pod', 'Ready'];
  return waitFor(
    `${count} ${kind} of ${name} to be ${condition}`,
    async () => {
      const all = (await readWorkloadObjects()).filter(
        ({ metadata }) => metadata.namespace === namespace && metadata.labels['app'] === name,
      );
      const done = all.filter((each) => each.kind === kind && hasCondition(each, condition));
      if (done.length < count) throw new Error(JSON.stringify(all.map(({ status }) => status)));
      return all.filter((each) => each.kind === 'Pod');
    },
    { timeoutMs: 120_000, intervalMs: 1_000 },
  ).catch((error: unknown) => explainFailure(error as Error, namespace, name));
};

const hasCondition = ({ status }: ObservedObject, condition: string): boolean =>
  status.conditions?.some(({ type, status: is }) => type === condition && is === 'True') ?? false;

/** One look for everybody who asks meanwhile: a kubectl for each would cost more than the pods. */
const readWorkloadObjects = async (): Promise<readonly ObservedObject[]> => {
  const pods = ['pods,jobs', '-A', '-l', 'team=reports'];
  pendingRead ??= getJson<{ items: ObservedObject[] }>(cluster, pods).finally(
    () => (pendingRead = undefined),
  );
  return (await pendingRead).items;
};

let pendingRead: Promise<{ items: ObservedObject[] }> | undefined;

/** A refusal of what a controller creates stands in its events alone. */
const explainFailure = async (error: Error, namespace: string, name: string): Promise<never> => {
  const { stdout } = await runKubectl(cluster, ['get', 'events', '-n', namespace]);
  const events = stdout.split('\n').filter((line) => line.includes(`/${name}`));
  throw new Error([error.message, ...events].join('\n'), { cause: error });
};

/** Containers that were started more than once. */
export const listRestarted = ({ initContainerStatuses = [], containerStatuses = [] }: PodStatus) =>
  [...initContainerStatuses, ...containerStatuses]
    .filter(({ restartCount }) => restartCount > 0)
    .map(({ name }) => name);
