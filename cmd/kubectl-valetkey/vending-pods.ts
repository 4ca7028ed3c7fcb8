import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import { findTasksEnvValue } from '../../lib/injection/consumers.ts';
import { getServiceAccountName } from '../../lib/injection/pod-context.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { readAdmittedTasks } from '../../lib/task/admitted-tasks.ts';
import type { ClusterClient } from './cluster.ts';
import { explainVend, formatFree, formatWhy, type VendingTask } from './vend-report.ts';

/** The running pods of a cluster, counted, and those that vend. */
export type PodCounts = {
  readonly byNamespace: ReadonlyMap<string, number>;
  /** Pods of one service account with the same admitted tasks. */
  readonly workloads: readonly Workload[];
};

type Workload = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly tasks: readonly Task[];
  readonly pods: string[];
  podCount: number;
};

const MAX_NAMES = 3;

/** Counts pods. The tasks of pods with the same environment are parsed once. */
export const createPodCounter = () => {
  const byNamespace = new Map<string, number>();
  const workloads = new Map<string, Workload>();
  const add = (pod: Pod): void => {
    const { namespace = '', name = '' } = pod.metadata ?? {};
    byNamespace.set(namespace, (byNamespace.get(namespace) ?? 0) + 1);
    const serviceAccount = getServiceAccountName(pod);
    const text = findTasksEnvValue(pod)?.text ?? '';
    const key = JSON.stringify([namespace, serviceAccount, text]);
    const workload = workloads.get(key) ?? createWorkload({ namespace, serviceAccount, text });
    workloads.set(key, workload);
    workload.podCount += 1;
    if (workload.pods.length < MAX_NAMES) workload.pods.push(name);
  };
  return { add, result: (): PodCounts => ({ byNamespace, workloads: [...workloads.values()] }) };
};

const createWorkload = ({
  text,
  ...account
}: {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly text: string;
}): Workload => {
  const admitted = readAdmittedTasks(text);
  const tasks = admitted.ok ? admitted.value.tasks : [];
  return {
    ...account,
    tasks: tasks.filter(({ delivery }) => delivery === 'vend'),
    pods: [],
    podCount: 0,
  };
};

/** Each task costs a millisecond per pair of an action and a resource. */
const MAX_EVALUATED = 200;

export type VendingDeps = {
  readonly platform: Platform;
  /** Undefined under `trust: cluster`, or if they could not be read. */
  readonly policies: CompiledPolicies | undefined;
  readonly readNamespaceLabels: ClusterClient['readNamespaceLabels'];
  readonly loadCatalog: LoadCatalog;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** Lists the tasks that vend in running pods, and by which exception. */
export const listVendingTasks = async (
  { workloads }: PodCounts,
  deps: VendingDeps,
): Promise<readonly VendingTask[]> => {
  const readNamespaceLabels = rememberLabels(deps.readNamespaceLabels);
  const all = workloads.flatMap((workload) => workload.tasks.map((task) => ({ workload, task })));
  const found: VendingTask[] = [];
  for (const [index, { workload, task }] of all.entries()) {
    const { namespace, serviceAccount, pods, podCount } = workload;
    const evaluation =
      index < MAX_EVALUATED || deps.platform.policy.vend === 'free'
        ? await evaluateVending(workload, task, { ...deps, readNamespaceLabels })
        : NOT_EVALUATED;
    found.push({ namespace, serviceAccount, task: task.name, pods, podCount, ...evaluation });
  }
  return found;
};

type Evaluation = Pick<VendingTask, 'outcome' | 'why'>;

const NOT_EVALUATED: Evaluation = {
  outcome: 'unknown',
  why: `not evaluated: only the first ${MAX_EVALUATED} tasks are`,
};

const evaluateVending = async (
  { namespace, serviceAccount }: Workload,
  task: Task,
  { platform, policies, readNamespaceLabels, loadCatalog, now }: VendingDeps,
): Promise<Evaluation> => {
  const { vend } = platform.policy;
  if (vend === 'free') return { outcome: 'allow', why: formatFree(platform.trust, vend) };
  if (policies === undefined) return { outcome: 'unknown', why: 'unknown: no TaskPolicies' };
  const namespaceLabels = await readNamespaceLabels(namespace).catch(() => undefined);
  if (namespaceLabels === undefined) {
    return { outcome: 'unknown', why: `unknown: no labels of namespace ${namespace}` };
  }
  const { dialect, sourceRestriction } = platform.cloud;
  const principal = { namespace, namespaceLabels, serviceAccount };
  const cloud = { dialect, sourceRestriction: sourceRestriction.mode };
  const request = { principal, task, ...cloud, vend, atMs: now };
  const decision = await evaluateAdmissionPolicy({ policies, loadCatalog }, request);
  const explained = await explainVend(decision, { policies, loadCatalog }, request);
  return { outcome: decision.outcome, why: formatWhy(decision, explained ?? { exceptions: [] }) };
};

const rememberLabels = (
  readNamespaceLabels: ClusterClient['readNamespaceLabels'],
): ClusterClient['readNamespaceLabels'] => {
  const known = new Map<string, ReturnType<typeof readNamespaceLabels>>();
  return (namespace) => {
    const labels = known.get(namespace) ?? readNamespaceLabels(namespace);
    known.set(namespace, labels);
    return labels;
  };
};
