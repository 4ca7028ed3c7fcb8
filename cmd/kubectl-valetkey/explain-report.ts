import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { compilePolicies, type CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';
import { explainTask, type ExplainedTask, type ExplainTaskOptions } from './explained-task.ts';
import type { Upstreams } from '../../lib/policy/upstream-pairs.ts';
import type { ClusterClient } from './cluster.ts';
import type { Manifest } from './manifests.ts';
import { toNamespaceSettings, type NamespaceSettings } from './namespace-settings.ts';
import { readClusterPlatform } from './platform-settings.ts';
import type { SourcedPodContext } from './pod-context.ts';
import { createProblemError } from './tool-error.ts';
import { findFileUpstreams, readAppliedUpstreams } from './upstream-objects.ts';

/** A pod, its tasks and its problems. */
export type ExplainedPod = {
  readonly pod: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trust: Platform['trust'];
  /** Settings under which the rules were checked; absent: the manifest is invalid, and no rule was checked. */
  readonly settings?: NamespaceSettings;
  /** Errors in declarations and violated rules. */
  readonly faults: readonly FieldError[];
  /** Violations that the platform or the namespace's migration mode exempts, one per line. */
  readonly exempted: readonly string[];
  readonly warnings: readonly string[];
  readonly tasks: readonly ExplainedTask[];
};

/** Options of the run to explain. */
export type ExplainRequest = {
  readonly params: Readonly<Record<string, string>>;
  /** Explain only this task. */
  readonly task?: string;
};

/** Inputs that are the same for each pod. */
export type ExplainContext = {
  readonly platform: Platform;
  /** Absent under `trust: cluster`, and offline if no file contains a TaskPolicy. */
  readonly policies?: CompiledPolicies;
  /** Reads the Upstreams, for tasks that name one. Undefined: they are not known. @throws KubernetesError */
  readonly readUpstreams: () => Promise<Upstreams | undefined>;
  readonly loadCatalog: LoadCatalog;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/**
 * Reads the settings and policies of the cluster.
 *
 * @throws ToolError, KubernetesError
 */
export const readExplainContext = async (
  cluster: ClusterClient,
  defaults: Pick<ExplainContext, 'loadCatalog' | 'now'>,
  manifests: readonly Manifest[] = [],
): Promise<ExplainContext> => {
  const platform = await readClusterPlatform(cluster);
  let read: Promise<Upstreams> | undefined;
  const readUpstreams = () => (read ??= readAppliedUpstreams(manifests, cluster));
  if (platform.authority === undefined) return { ...defaults, platform, readUpstreams };
  const policies = compilePolicies((await cluster.listPolicies()).map(toPolicyText));
  return { ...defaults, platform, policies, readUpstreams };
};

/** Builds the same context offline, with the policies of the files. */
export const buildExplainContext = (
  manifests: readonly Manifest[],
  inputs: Omit<ExplainContext, 'policies' | 'readUpstreams'>,
): ExplainContext => {
  const upstreams = findFileUpstreams(manifests);
  const known = { ...inputs, readUpstreams: () => Promise.resolve(upstreams) };
  const texts = manifests.flatMap(({ name, content }) =>
    content.type === 'policy' ? [{ name, cedar: content.cedar }] : [],
  );
  const hasPolicies = inputs.platform.authority !== undefined && texts.length > 0;
  return hasPolicies ? { ...known, policies: compilePolicies(texts) } : known;
};

/** A pod whose tasks have been read. */
export type PodToExplain = Omit<ExplainedPod, 'trust' | 'settings' | 'tasks'> & {
  readonly podContext?: SourcedPodContext;
  readonly tasks: readonly Task[];
  /** Why the UID of the pod is no key of its clients; absent: it is one, or no task has provider http. */
  readonly fixedKeyObstacle?: string;
  readonly podIps?: readonly string[];
};

/**
 * Explains each task of a pod.
 *
 * @throws ToolError for a task or params that the pod does not declare
 */
export const explainPod = async (
  given: PodToExplain,
  request: ExplainRequest,
  context: ExplainContext,
): Promise<ExplainedPod> => {
  const { platform } = context;
  const { tasks, options } = await selectTasks(given, request, context);
  const explained = await Promise.all(tasks.map((task) => explainTask(task, options)));
  const { pod, namespace, serviceAccount, faults, exempted, warnings, podContext } = given;
  return {
    pod,
    namespace,
    serviceAccount,
    faults,
    exempted,
    warnings,
    trust: platform.trust,
    tasks: explained,
    ...(podContext && { settings: toNamespaceSettings(namespace, podContext, platform) }),
  };
};

/**
 * Selects the tasks of a request, with what their explanation needs.
 *
 * @throws ToolError for a task or params that the pod does not declare
 */
export const selectTasks = async (
  pod: PodToExplain,
  request: ExplainRequest,
  context: ExplainContext,
): Promise<{ readonly tasks: readonly Task[]; readonly options: ExplainTaskOptions }> => {
  const { namespace, serviceAccount, podIps, podContext, fixedKeyObstacle } = pod;
  const selected = findTasks(pod.tasks, request, pod);
  const principal = { namespace, namespaceLabels: podContext?.labels ?? {}, serviceAccount };
  const { params } = request;
  const needsUpstreams = selected.some(({ provider }) => provider !== 'aws');
  const upstreams = needsUpstreams ? await context.readUpstreams() : undefined;
  const options = {
    ...context,
    principal,
    params,
    ...(upstreams !== undefined && { upstreams }),
    ...(podIps !== undefined && { podIps }),
    ...(fixedKeyObstacle !== undefined && { fixedKeyObstacle }),
  };
  return { tasks: selected, options };
};

const findTasks = (
  tasks: readonly Task[],
  { task: name, params }: ExplainRequest,
  { namespace, pod }: Pick<ExplainedPod, 'namespace' | 'pod'>,
): readonly Task[] => {
  const source = `pod ${namespace}/${pod}`;
  const selected = tasks.filter((task) => name === undefined || task.name === name);
  if (name !== undefined && selected.length === 0) {
    const expected = `one of its tasks: ${tasks.map((task) => task.name).join(', ') || 'the pod has none'}`;
    throw createProblemError([{ source, path: '--task', expected, got: name }]);
  }
  const declared = new Set(selected.flatMap((task) => Object.keys(task.params)));
  const undeclared = Object.keys(params).filter((each) => !declared.has(each));
  if (undeclared.length === 0 || selected.length === 0) return selected;
  const expected = `params of its tasks: ${[...declared].join(', ') || 'the tasks have none'}`;
  throw createProblemError(undeclared.map((got) => ({ source, path: '--param', expected, got })));
};
