import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { compilePolicies, type CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';
import { explainTask, type ExplainedTask } from './explained-task.ts';
import type { ClusterClient } from './cluster.ts';
import type { Manifest } from './manifests.ts';
import { toNamespaceSettings, type NamespaceSettings } from './namespace-settings.ts';
import { readClusterPlatform } from './platform-settings.ts';
import type { SourcedPodContext } from './pod-context.ts';
import { createProblemError } from './tool-error.ts';

/** A pod, its tasks, and what is wrong with it. */
export type ExplainedPod = {
  readonly pod: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trust: Platform['trust'];
  /** By which its rules were held; absent: it is no pod, and none was held. */
  readonly terms?: NamespaceSettings;
  /** Of declarations and of rules. */
  readonly faults: readonly FieldError[];
  /** Breaches that the platform excepts, or a migration excuses, a line each. */
  readonly excused: readonly string[];
  readonly warnings: readonly string[];
  readonly tasks: readonly ExplainedTask[];
};

/** What is asked about each task. */
export type ExplainRequest = {
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
  /** This one alone. */
  readonly task?: string;
};

/** What every pod is explained by. */
export type ExplainContext = {
  readonly platform: Platform;
  /** Absent under `trust: cluster`, and where no cluster is asked and no file holds any. */
  readonly policies?: CompiledPolicies;
  readonly loadCatalog: LoadCatalog;
  readonly now: number;
};

/**
 * The settings and policies that the cluster has.
 *
 * @throws ToolError, KubernetesError
 */
export const readExplainContext = async (
  cluster: ClusterClient,
  rest: Pick<ExplainContext, 'loadCatalog' | 'now'>,
): Promise<ExplainContext> => {
  const platform = await readClusterPlatform(cluster);
  if (platform.authority === undefined) return { ...rest, platform };
  const policies = compilePolicies((await cluster.listPolicies()).map(toPolicyText));
  return { ...rest, platform, policies };
};

/** The same where no cluster is asked: policies are those of the files. */
export const buildExplainContext = (
  manifests: readonly Manifest[],
  ground: Omit<ExplainContext, 'policies'>,
): ExplainContext => {
  const texts = manifests.flatMap(({ name, content }) =>
    content.type === 'policy' ? [{ name, cedar: content.cedar }] : [],
  );
  const isAsked = ground.platform.authority !== undefined && texts.length > 0;
  return isAsked ? { ...ground, policies: compilePolicies(texts) } : ground;
};

/** A pod whose tasks are read already. */
export type PodToExplain = Omit<ExplainedPod, 'trust' | 'terms' | 'tasks'> & {
  readonly podContext?: SourcedPodContext;
  readonly tasks: readonly Task[];
  readonly podIp?: string;
};

/**
 * Explains each task of a pod.
 *
 * @throws ToolError for a task or params that it does not declare
 */
export const explainPod = async (
  { tasks, podIp, podContext, ...pod }: PodToExplain,
  wish: ExplainRequest,
  { platform, ...ground }: ExplainContext,
): Promise<ExplainedPod> => {
  const { namespace, serviceAccount } = pod;
  const chosen = selectTasks(tasks, wish, pod);
  const principal = { namespace, namespaceLabels: podContext?.labels ?? {}, serviceAccount };
  const { params, purpose } = wish;
  const options = {
    ...{ ...ground, platform, principal, params },
    ...(purpose !== undefined && { purpose }),
    ...(podIp !== undefined && { podIp }),
  };
  const explained = await Promise.all(chosen.map((task) => explainTask(task, options)));
  return {
    ...{ ...pod, trust: platform.trust, tasks: explained },
    ...(podContext && { terms: toNamespaceSettings(namespace, podContext, platform) }),
  };
};

const selectTasks = (
  tasks: readonly Task[],
  { task: name, params }: ExplainRequest,
  { namespace, pod }: Pick<ExplainedPod, 'namespace' | 'pod'>,
): readonly Task[] => {
  const source = `pod ${namespace}/${pod}`;
  const chosen = tasks.filter((task) => name === undefined || task.name === name);
  if (name !== undefined && chosen.length === 0) {
    const expected = `one of its tasks: ${tasks.map((task) => task.name).join(', ') || 'it has none'}`;
    throw createProblemError([{ source, path: '--task', expected, got: name }]);
  }
  const known = new Set(chosen.flatMap((task) => Object.keys(task.params)));
  const unknown = Object.keys(params).filter((each) => !known.has(each));
  if (unknown.length === 0 || chosen.length === 0) return chosen;
  const expected = `params of its tasks: ${[...known].join(', ') || 'they have none'}`;
  throw createProblemError(unknown.map((got) => ({ source, path: '--param', expected, got })));
};
