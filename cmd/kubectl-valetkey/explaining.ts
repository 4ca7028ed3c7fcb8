import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import { PROFILES_CONFIG_MAP } from '../../lib/contract/names.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Revocation } from '../../lib/contract/authority.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { declaresTasks, sidecarsOf } from '../../lib/injection/consumers.ts';
import { judgeLivePod } from '../../lib/injection/live-pod.ts';
import { readPod } from '../../lib/injection/pod-shape.ts';
import { readProfiles } from '../../lib/injection/published-profiles.ts';
import { openPolicies, type CompiledPolicies } from '../../lib/policy/policies.ts';
import { policyTextOf } from '../../lib/policy/policy-text.ts';
import { show, type Fault } from '../../lib/reading/fault.ts';
import { isInForce, matches, type PodFacts } from '../../lib/revocation/matching.ts';
import { describeTarget } from '../../lib/revocation/observed.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { readAdmittedTasks } from '../../lib/task/admitted.ts';
import { rejudgeAdmitted } from '../../lib/task/rejudging.ts';
import { explainTask, type ExplainedTask } from './asked-task.ts';
import type { Cluster } from './cluster.ts';
import { platformOf } from './platform.ts';
import { foundWrong } from './tool-error.ts';

/** A pod, its tasks, and what is wrong with it. */
export type ExplainedPod = {
  readonly pod: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trust: Platform['trust'];
  /** Of declarations and of rules. */
  readonly faults: readonly Fault[];
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

/** What the cluster knows that every pod is explained by. */
export type Ground = {
  readonly cluster: Cluster;
  readonly platform: Platform;
  /** These two under `trust: authority`. */
  readonly policies?: CompiledPolicies;
  readonly revocations?: readonly Revocation[];
  readonly loadCatalogue: LoadCatalogue;
  readonly now: number;
};

/** @throws ToolError, KubernetesError */
export const readGround = async (
  cluster: Cluster,
  rest: Pick<Ground, 'loadCatalogue' | 'now'>,
): Promise<Ground> => {
  const platform = await platformOf(cluster);
  if (platform.authority === undefined) return { ...rest, cluster, platform };
  const policies = openPolicies((await cluster.listPolicies()).map(policyTextOf));
  const revocations = (await cluster.listRevocations()).map(readRevocation);
  return {
    ...{ ...rest, cluster, platform, policies },
    revocations: revocations.flatMap((each) => (each.ok ? [each.value] : [])),
  };
};

/** A pod whose tasks are read already. */
export type ReadTasksOf = Omit<ExplainedPod, 'trust' | 'tasks'> & {
  readonly tasks: readonly Task[];
  readonly podIp?: string;
};

/**
 * Explains each task of a pod.
 *
 * @throws ToolError for a task or params that it does not declare; KubernetesError
 */
export const explainPod = async (
  { tasks, podIp, ...pod }: ReadTasksOf,
  wish: Wish,
  { cluster, platform, ...ground }: Ground,
): Promise<ExplainedPod> => {
  const { namespace, serviceAccount } = pod;
  const chosen = choose(tasks, wish, pod);
  const namespaceLabels = (await cluster.readNamespaceLabels(namespace)) ?? {};
  const principal = { namespace, namespaceLabels, serviceAccount };
  const { params, purpose } = wish;
  const terms = {
    ...{ ...ground, platform, principal, params },
    ...(purpose !== undefined && { purpose }),
    ...(podIp !== undefined && { podIp }),
  };
  const explained = await Promise.all(chosen.map((task) => explainTask(task, terms)));
  return { ...pod, trust: platform.trust, tasks: explained };
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

/**
 * What the authority would read of a live pod, and every reason for which it would refuse it.
 *
 * @throws ToolError where there is no such pod; KubernetesError
 */
export const readLivePod = async (
  place: { readonly namespace: string; readonly name: string },
  ground: Ground,
): Promise<ReadTasksOf> => {
  const { cluster, platform, loadCatalogue } = ground;
  const raw = await cluster.readPod(place);
  const { namespace, name } = place;
  if (raw === undefined) {
    throw foundWrong([{ path: `pod ${namespace}/${name}`, expected: 'a pod', got: 'none' }]);
  }
  const { profiles } = readProfiles((await cluster.readConfigMap(PROFILES_CONFIG_MAP)) ?? {});
  const judged = judgeLivePod(raw, { platform, profiles });
  const tasks = await admittedTo(raw, platform, loadCatalogue);
  const { status, spec, metadata } = raw as LiveStatus;
  const serviceAccount = spec?.serviceAccountName ?? 'default';
  const facts = { namespace, serviceAccount, pod: name, podUid: metadata?.uid ?? '' };
  const revoked = revokedBy(facts, tasks.tasks, ground);
  return {
    ...{ pod: name, namespace, serviceAccount },
    faults: [...(judged.ok ? [] : judged.faults), ...tasks.faults, ...revoked],
    ...{ warnings: tasks.warnings, tasks: tasks.tasks },
    ...(status?.podIP !== undefined && { podIp: status.podIP }),
  };
};

/** The authority refuses them whatever policy says. */
const revokedBy = (
  pod: PodFacts,
  tasks: readonly Task[],
  { revocations = [], now }: Ground,
): readonly Fault[] =>
  revocations
    .filter(({ spec }) => isInForce(spec, now))
    .filter((each) => tasks.some(({ name }) => matches(each, { ...pod, task: name })))
    .map(({ name, spec }) => ({
      path: `revocation ${name}`,
      expected: 'none in force',
      got: `${describeTarget(spec)} revoked by ${spec.by}: ${show(spec.reason)}`,
    }));

type LiveStatus = {
  readonly metadata?: { readonly uid?: string };
  readonly spec?: { readonly serviceAccountName?: string };
  readonly status?: { readonly podIP?: string };
};

type Admitted = Pick<ReadTasksOf, 'tasks' | 'faults' | 'warnings'>;

/** Even of a pod that breaks a rule: what it would be given otherwise is worth knowing. */
const admittedTo = async (
  raw: unknown,
  { tasks: limits, cloud }: Platform,
  loadCatalogue: LoadCatalogue,
): Promise<Admitted> => {
  const pod = readPod(raw);
  const [sidecar] = pod.ok ? sidecarsOf(pod.value) : [];
  const { env } = sidecar?.container ?? {};
  const text = env?.find(({ name }) => name === SIDECAR_ENV.tasks)?.value;
  const admitted = readAdmittedTasks(text ?? '');
  if (!admitted.ok) {
    const declared = pod.ok && declaresTasks(pod.value);
    return { tasks: [], faults: [], warnings: declared ? [NOT_ADMITTED] : [] };
  }
  const terms = { limits, dialect: cloud.dialect, loadCatalogue };
  const judged = await rejudgeAdmitted(admitted.value, terms);
  const { tasks } = admitted.value;
  return { tasks, faults: judged.ok ? [] : judged.faults, warnings: [] };
};

const NOT_ADMITTED =
  'it declares tasks that no admission fixed: tasks count only when the pod is created, while the webhook runs';
