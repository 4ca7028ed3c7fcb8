import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { openPolicies, type CompiledPolicies } from '../../lib/policy/policies.ts';
import { policyTextOf } from '../../lib/policy/policy-text.ts';
import type { Fault } from '../../lib/reading/fault.ts';
import { explainTask, type ExplainedTask } from './explained-task.ts';
import type { Cluster } from './cluster.ts';
import type { Manifest } from './manifests.ts';
import { termsOf, type NamespaceTerms } from './namespace-terms.ts';
import { platformOf } from './platform.ts';
import type { ToldSurroundings } from './surroundings.ts';
import { foundWrong } from './tool-error.ts';

/** A pod, its tasks, and what is wrong with it. */
export type ExplainedPod = {
  readonly pod: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trust: Platform['trust'];
  /** By which its rules were held; absent: it is no pod, and none was held. */
  readonly terms?: NamespaceTerms;
  /** Of declarations and of rules. */
  readonly faults: readonly Fault[];
  /** Breaches that the platform excepts, or a migration excuses, a line each. */
  readonly excused: readonly string[];
  readonly warnings: readonly string[];
  readonly tasks: readonly ExplainedTask[];
};

/** What is asked about each task. */
export type Wish = {
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
  /** This one alone. */
  readonly task?: string;
};

/** What every pod is explained by. */
export type Ground = {
  readonly platform: Platform;
  /** Absent under `trust: cluster`, and where no cluster is asked and no file holds any. */
  readonly policies?: CompiledPolicies;
  readonly loadCatalogue: LoadCatalogue;
  readonly now: number;
};

/**
 * The settings and policies that the cluster has.
 *
 * @throws ToolError, KubernetesError
 */
export const readGround = async (
  cluster: Cluster,
  rest: Pick<Ground, 'loadCatalogue' | 'now'>,
): Promise<Ground> => {
  const platform = await platformOf(cluster);
  if (platform.authority === undefined) return { ...rest, platform };
  const policies = openPolicies((await cluster.listPolicies()).map(policyTextOf));
  return { ...rest, platform, policies };
};

/** The same where no cluster is asked: policies are those of the files. */
export const groundIn = (
  manifests: readonly Manifest[],
  ground: Omit<Ground, 'policies'>,
): Ground => {
  const texts = manifests.flatMap(({ name, content }) =>
    content.type === 'policy' ? [{ name, cedar: content.cedar }] : [],
  );
  const isAsked = ground.platform.authority !== undefined && texts.length > 0;
  return isAsked ? { ...ground, policies: openPolicies(texts) } : ground;
};

/** A pod whose tasks are read already. */
export type PodToExplain = Omit<ExplainedPod, 'trust' | 'terms' | 'tasks'> & {
  readonly surroundings?: ToldSurroundings;
  readonly tasks: readonly Task[];
  readonly podIp?: string;
};

/**
 * Explains each task of a pod.
 *
 * @throws ToolError for a task or params that it does not declare
 */
export const explainPod = async (
  { tasks, podIp, surroundings, ...pod }: PodToExplain,
  wish: Wish,
  { platform, ...ground }: Ground,
): Promise<ExplainedPod> => {
  const { namespace, serviceAccount } = pod;
  const chosen = choose(tasks, wish, pod);
  const principal = { namespace, namespaceLabels: surroundings?.labels ?? {}, serviceAccount };
  const { params, purpose } = wish;
  const asked = {
    ...{ ...ground, platform, principal, params },
    ...(purpose !== undefined && { purpose }),
    ...(podIp !== undefined && { podIp }),
  };
  const explained = await Promise.all(chosen.map((task) => explainTask(task, asked)));
  return {
    ...{ ...pod, trust: platform.trust, tasks: explained },
    ...(surroundings && { terms: termsOf(namespace, surroundings, platform) }),
  };
};

const choose = (
  tasks: readonly Task[],
  { task: name, params }: Wish,
  { namespace, pod }: Pick<ExplainedPod, 'namespace' | 'pod'>,
): readonly Task[] => {
  const source = `pod ${namespace}/${pod}`;
  const chosen = tasks.filter((task) => name === undefined || task.name === name);
  if (name !== undefined && chosen.length === 0) {
    const expected = `one of its tasks: ${tasks.map((task) => task.name).join(', ') || 'it has none'}`;
    throw foundWrong([{ source, path: '--task', expected, got: name }]);
  }
  const known = new Set(chosen.flatMap((task) => Object.keys(task.params)));
  const strangers = Object.keys(params).filter((each) => !known.has(each));
  if (strangers.length === 0 || chosen.length === 0) return chosen;
  const expected = `params of its tasks: ${[...known].join(', ') || 'they have none'}`;
  throw foundWrong(strangers.map((got) => ({ source, path: '--param', expected, got })));
};
