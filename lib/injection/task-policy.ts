import { TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import type { AuthoritySettings, Platform } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import { checkSpiffeId } from '../grant/spiffe-id.ts';
import type { CompiledPolicies } from '../policy/compiled-policies.ts';
import { listCallPolicies } from '../policy/gates.ts';
import { findTaskUpstream, type Upstreams } from '../policy/upstream-pairs.ts';
import type { AdmissionPolicyRequest, PolicyDecision } from '../policy/decision.ts';
import type { FieldError } from '../schema/field-error.ts';
import type { Upstream } from '../upstreams/upstream.ts';
import { checkPackedSize } from './packed-size.ts';

export type TaskPolicyRequest = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly tasks: readonly Task[];
};

/** `faults` refuse the pod; `warnings` are shown to its author. */
export type TaskPolicyResult = {
  readonly faults: readonly FieldError[];
  readonly warnings: readonly string[];
};

/** Evaluates the tasks of a new pod, beside the pod rules. */
export type EvaluatePolicy = (request: TaskPolicyRequest) => Promise<TaskPolicyResult>;

/** Evaluates one task by a set of policies. A decision depends on these arguments only, and of `atMs` on its UTC day. */
export type EvaluateTask = (
  policies: CompiledPolicies,
  request: AdmissionPolicyRequest,
) => Promise<PolicyDecision>;

/** Settings of the authority that decide about grants. */
export type GrantSettings = Pick<AuthoritySettings, 'trustDomain' | 'tagParams'>;

export type TaskPolicyDeps = {
  readonly platform: Platform;
  readonly authority: GrantSettings;
  /** The current TaskPolicies, or why they are not known. */
  readonly readPolicies: () => CompiledPolicies | { readonly unknown: string };
  /** Undefined: there is no such namespace. Throws if the API server does not answer. */
  readonly readNamespaceLabels: (
    namespace: string,
  ) => Promise<Readonly<Record<string, string>> | undefined>;
  /**
   * The current Upstreams, or why they are not known. Absent where there is no cluster: only tasks of
   * provider `aws` are then evaluated.
   */
  readonly readUpstreams?: (() => Upstreams | { readonly unknown: string }) | undefined;
  readonly evaluateTask: EvaluateTask;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

/**
 * Under `trust: authority`: each task needs a grant that STS can accept, and no policy may
 * deny it. The authority decides again at every run; admission reports a denial early.
 */
export const createTaskPolicyEvaluator =
  (deps: TaskPolicyDeps): EvaluatePolicy =>
  async (request) => {
    const { cloud } = deps.platform;
    const grantErrors = checkTaskGrants(request, { cloud, authority: deps.authority });
    const { faults, warnings } = await evaluateTasks(request, deps);
    return { faults: [...grantErrors, ...faults], warnings };
  };

/**
 * Checks that the SPIFFE ID of each task fits into a grant, and that the session tags of the grant and
 * the session policy fit into the packed limit of STS.
 */
export const checkTaskGrants = (
  { namespace, serviceAccount, tasks }: TaskPolicyRequest,
  { cloud, authority }: { cloud: Platform['cloud']; authority: GrantSettings },
): readonly FieldError[] =>
  tasks.flatMap((task) => {
    const { trustDomain } = authority;
    const subject = checkSpiffeId({ trustDomain, namespace, serviceAccount, task: task.name });
    return [
      ...subject.map((fault) => ({ ...fault, source: buildAnnotationKey(task.name) })),
      ...checkPackedSize({ task, namespace, serviceAccount, cloud, authority }),
    ];
  });

const evaluateTasks = async (
  request: TaskPolicyRequest,
  deps: TaskPolicyDeps,
): Promise<TaskPolicyResult> => {
  const policies = deps.readPolicies();
  if ('unknown' in policies) {
    const expected = 'policies that can be read';
    return refuseTasks('TaskPolicies', { expected, got: policies.unknown });
  }
  if (policies.findings.length === 0) return refuseTasks('TaskPolicies', NO_POLICY);
  const namespaceLabels = await deps.readNamespaceLabels(request.namespace).catch(() => undefined);
  if (namespaceLabels === undefined) {
    const expected = 'its labels, which policy evaluates: try again';
    return refuseTasks(`Namespace ${request.namespace}`, { expected, got: 'no answer' });
  }
  const { namespace, serviceAccount } = request;
  const principal = { namespace, namespaceLabels, serviceAccount };
  const { dialect, sourceRestriction } = deps.platform.cloud;
  const { vend } = deps.platform.policy;
  const cloud = { dialect, sourceRestriction: sourceRestriction.mode };
  const atMs = deps.now();
  const results: TaskPolicyResult[] = [];
  for (const task of request.tasks) {
    const found = findUpstream(task, deps);
    if (found.result !== undefined) {
      results.push(found.result);
      continue;
    }
    const question = {
      principal,
      task,
      vend,
      atMs,
      ...(found.upstream !== undefined && { upstream: found.upstream }),
      ...cloud,
    };
    const decision = await deps.evaluateTask(policies, question);
    results.push(toResult(task, decision));
    if (decision.outcome !== 'deny' && task.delivery === 'vend') {
      results.push(warnOfCalls(task, listCallPolicies(policies, question)));
    }
  }
  return {
    faults: results.flatMap(({ faults }) => faults),
    warnings: results.flatMap(({ warnings }) => warnings),
  };
};

/** `result`: without its Upstream, the task cannot be evaluated. */
type FoundUpstream = { readonly upstream?: Upstream; readonly result?: TaskPolicyResult };

const findUpstream = (
  task: Task,
  { readUpstreams }: Pick<TaskPolicyDeps, 'readUpstreams'>,
): FoundUpstream => {
  if (task.provider === 'aws') return {};
  const source = buildAnnotationKey(task.name);
  if (readUpstreams === undefined) {
    const warning = `task ${task.name}: policy is not evaluated, because the Upstreams of the cluster are unknown`;
    return { result: { faults: [], warnings: [warning] } };
  }
  const upstreams = readUpstreams();
  if ('unknown' in upstreams) {
    const expected = 'Upstreams that can be read: try again';
    const fault = { source, path: 'role', expected, got: upstreams.unknown, rule: 'policy' };
    return { result: { faults: [fault], warnings: [] } };
  }
  const found = findTaskUpstream(task, upstreams);
  if (found.ok) return { upstream: found.value };
  return {
    result: { faults: found.faults.map((fault) => ({ ...fault, source })), warnings: [] },
  };
};

/** Says what to do: the reader may have installed Valetkey a minute ago. */
const NO_POLICY = {
  expected:
    'at least one that permits the task: apply one, or install the starter policy with policy.starter.enabled=true',
  got: 'none in this cluster',
};

const toResult = ({ name }: Task, { outcome, reasons }: PolicyDecision): TaskPolicyResult => ({
  faults: (outcome === 'deny' ? reasons : []).map((got) => ({
    source: buildAnnotationKey(name),
    path: '(policy)',
    expected: 'what TaskPolicies permit',
    got,
    rule: 'policy',
  })),
  warnings: (outcome === 'undecided' ? reasons : []).map(
    (reason) => `task ${name} may be denied when a run starts: ${reason}`,
  ),
});

/** Each of its runs would be refused. */
const warnOfCalls = ({ name }: Task, policies: readonly string[]): TaskPolicyResult => ({
  faults: [],
  warnings:
    policies.length === 0
      ? []
      : [
          `task ${name}: its runs are refused (call_needs_sign), because ${policies.join(', ')} decides about single calls: expected delivery: sign`,
        ],
});

const refuseTasks = (
  path: string,
  { expected, got }: Pick<FieldError, 'expected' | 'got'>,
): TaskPolicyResult => ({ faults: [{ path, expected, got, rule: 'policy' }], warnings: [] });

const buildAnnotationKey = (task: string): string => `${TASK_ANNOTATION_PREFIX}${task}`;
