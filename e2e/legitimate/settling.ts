import { getJson, kubectl, waitFor } from '../cluster/kubectl.ts';
import { cluster } from '../stories/stage.ts';
import type { Workload } from './workloads.ts';

type ContainerStatus = { readonly name: string; readonly restartCount: number };
export type PodStatus = {
  readonly qosClass?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
  readonly containerStatuses?: readonly ContainerStatus[];
};

/** A pod or a Job as it is now. */
export type Seen = {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly status: PodStatus;
};

/** Waits until the workload is what its team wants it to be; answers its pods. */
export const settled = (workload: Workload, namespace: string): Promise<readonly Seen[]> => {
  const { name, pods: count = 1, completes } = workload;
  const [kind, condition] = completes === true ? ['Job', 'Complete'] : ['Pod', 'Ready'];
  return waitFor(
    `${count} ${kind} of ${name} to be ${condition}`,
    async () => {
      const all = (await look()).filter(
        ({ metadata }) => metadata.namespace === namespace && metadata.labels['app'] === name,
      );
      const done = all.filter((each) => each.kind === kind && has(each, condition));
      if (done.length < count) throw new Error(JSON.stringify(all.map(({ status }) => status)));
      return all.filter((each) => each.kind === 'Pod');
    },
    { timeoutMs: 120_000, intervalMs: 1_000 },
  ).catch((error: unknown) => explain(error as Error, namespace, name));
};

const has = ({ status }: Seen, condition: string): boolean =>
  status.conditions?.some(({ type, status: is }) => type === condition && is === 'True') ?? false;

/** One look for everybody who asks meanwhile: a kubectl for each would cost more than the pods. */
const look = async (): Promise<readonly Seen[]> => {
  const pods = ['pods,jobs', '-A', '-l', 'team=reports'];
  looking ??= getJson<{ items: Seen[] }>(cluster, pods).finally(() => (looking = undefined));
  return (await looking).items;
};

let looking: Promise<{ items: Seen[] }> | undefined;

/** A refusal of what a controller creates stands in its events alone. */
const explain = async (error: Error, namespace: string, name: string): Promise<never> => {
  const { stdout } = await kubectl(cluster, ['get', 'events', '-n', namespace]);
  const events = stdout.split('\n').filter((line) => line.includes(`/${name}`));
  throw new Error([error.message, ...events].join('\n'), { cause: error });
};

/** Containers that were started more than once. */
export const restartedIn = ({ initContainerStatuses = [], containerStatuses = [] }: PodStatus) =>
  [...initContainerStatuses, ...containerStatuses]
    .filter(({ restartCount }) => restartCount > 0)
    .map(({ name }) => name);
