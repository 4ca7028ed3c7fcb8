import { matchGates } from '../../../lib/calls/gates.ts';
import { evaluateCall } from '../../../lib/calls/call-evaluation.ts';
import type { Gate } from '../../../lib/contract/authority-api.ts';
import type { Task } from '../../../lib/contract/task.ts';
import { computeGates } from '../../../lib/policy/gates.ts';
import { bindParams } from '../../../lib/task/params.ts';
import { bindResource } from '../../../lib/task/resource.ts';
import {
  selectTasks,
  type ExplainContext,
  type ExplainRequest,
  type PodToExplain,
} from '../explain-report.ts';
import { buildPolicyRequest, explainTask, type ExplainedTask } from '../explained-task.ts';
import { findExplainedUpstream } from '../explained-upstream.ts';
import { createUsageError } from '../tool-error.ts';

/** A call as the command line states it: an action and one concrete resource. */
export type Call = { readonly action: string; readonly resource: string };

/** `undecided`: only the authority can decide when the call is made. */
export type TriedCall = Call & {
  readonly outcome: 'allowed' | 'refused' | 'undecided';
  /** Code of the gateway; absent for an allowed call. */
  readonly code?: 'action_outside' | 'resource_outside' | 'policy_denied';
  readonly reason: string;
};

/** A task, whether a run of it would start now, and what its calls would get. */
export type TriedTask = {
  readonly namespace: string;
  readonly pod: string;
  readonly task: string;
  /** Why admission or the authority refuses the pod. */
  readonly refusals: PodToExplain['faults'];
  readonly run: ExplainedTask['policy'];
  readonly calls: readonly TriedCall[];
};

/**
 * Tries calls of one task of a pod, with the code of admission, the authority and the gateway.
 *
 * @throws ToolError for a pod without the task, params that do not match, or several tasks
 */
export const tryCalls = async (
  pod: PodToExplain,
  { request, calls }: { readonly request: ExplainRequest; readonly calls: readonly Call[] },
  context: ExplainContext,
): Promise<TriedTask> => {
  const { tasks, options } = await selectTasks(pod, request, context);
  const [task, ...others] = tasks;
  const { namespace, pod: name, faults } = pod;
  if (task === undefined || others.length > 0) {
    if (task === undefined && faults.length > 0) {
      return { namespace, pod: name, task: '', refusals: faults, run: undefined, calls: [] };
    }
    const expected = `one of the tasks of pod ${namespace}/${name}: ${tasks.map((each) => each.name).join(', ') || 'it has none'}`;
    throw createUsageError([{ path: '--task', expected, got: 'nothing' }]);
  }
  const bound = bindParams(task, request.params);
  if (!bound.ok) throw createUsageError(bound.faults);
  const explained = await explainTask(task, options);
  const { policies, loadCatalog } = context;
  const { upstream } = findExplainedUpstream(task, options.upstreams);
  const question = {
    ...buildPolicyRequest(task, upstream, options),
    params: bound.value,
    approvals: [],
  };
  const isAllowed = explained.policy?.now?.outcome === 'allow';
  const refusals = [...faults, ...explained.faults];
  const isRefused = refusals.length > 0 || explained.policy?.now?.outcome === 'deny';
  const gates =
    policies !== undefined && isAllowed
      ? await computeGates({ policies, loadCatalog }, question)
      : [];
  const allow = bindAllow(task, bound.value);
  return {
    namespace,
    pod: name,
    task: task.name,
    refusals,
    run: explained.policy,
    calls: calls.map((call) => tryCall(call, { allow, gates, isRefused })),
  };
};

const bindAllow = ({ allow }: Task, params: Readonly<Record<string, string>>): Task['allow'] =>
  allow.map(({ actions, resources }) => ({
    actions,
    resources: resources.map((resource) => bindResource(resource, params)),
  }));

const tryCall = (
  call: Call,
  {
    allow,
    gates,
    isRefused,
  }: Pick<Task, 'allow'> & { readonly gates: readonly Gate[]; readonly isRefused: boolean },
): TriedCall => {
  const decision = evaluateCall([call], allow);
  if (!decision.isAllowed) {
    const { code } = decision;
    const reason =
      code === 'action_outside'
        ? 'the task does not list this action'
        : 'the task does not list this resource with this action';
    return { ...call, outcome: 'refused', code, reason };
  }
  if (isRefused)
    return { ...call, outcome: 'refused', reason: 'no run starts in which it could be made' };
  const { denied, asked } = matchGates([call], gates);
  if (denied !== undefined) {
    const reason = `forbidden by ${denied.policies.join(', ')}`;
    return { ...call, outcome: 'refused', code: 'policy_denied', reason };
  }
  if (asked.length > 0) {
    const reason = `the authority decides at each call, by ${listAsking(gates, call)}`;
    return { ...call, outcome: 'undecided', reason };
  }
  return { ...call, outcome: 'allowed', reason: 'within the task' };
};

const listAsking = (gates: readonly Gate[], call: Call): string => {
  const asking = gates.filter((gate) => matchGates([call], [gate]).asked.length > 0);
  const policies = new Set(asking.flatMap((gate) => gate.policies));
  return [...policies].sort().join(', ') || 'its policies';
};
