import type { Revocation, TaskDetails } from '../contract/authority-api.ts';
import type { CloudSettings, SourceRestriction, VendPolicy } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import type { HttpUpstream } from '../upstreams/upstream.ts';
import type { User } from '../identity/workload.ts';
import type { PolicyDecision, RunPolicyRequest } from '../policy/decision.ts';
import type { RevocationTarget } from '../revocation/matching.ts';
import { bindParams } from '../task/params.ts';
import type { AuthorizedRun } from './authorized-run.ts';
import type { Caller } from './caller.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { RequestError, newMalformedError } from './token-refusal.ts';

export type RevocationDeps = {
  /** @throws RequestError `revocations_unavailable` */
  readonly findRevocation: (run: RevocationTarget) => Pick<Revocation, 'name' | 'spec'> | undefined;
};

/**
 * Evaluates one run by the current policies.
 *
 * @throws RequestError `policy_unavailable`, or `rate_limited_…` if it would cost the caller too much
 */
export type DecideRun = (request: RunPolicyRequest, caller: Caller) => Promise<PolicyDecision>;

export type PolicyDeps = {
  readonly decideRun: DecideRun;
  readonly sourceRestriction: SourceRestriction['mode'];
  readonly dialect: CloudSettings['dialect'];
  readonly vend: VendPolicy;
  /** @throws RequestError `upstream_unknown`, `upstreams_unavailable` */
  readonly findUpstream: (task: Task) => HttpUpstream;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

/**
 * Builds the run that is requested from what admission stored for this pod. The caller chooses only
 * the names of a task and a consumer, and the values of declared params.
 *
 * @throws RequestError `task_unknown`, `consumer_not_allowed`, `params_invalid`
 */
export const authorizeRequest = (
  { task: name, consumer, params, purpose }: TaskDetails,
  {
    workload,
    user,
    newRun,
  }: Pick<AuthorizedRun, 'workload'> & {
    readonly user: User | undefined;
    readonly newRun: (podUid: string) => string;
  },
): AuthorizedRun => {
  const task = workload.admitted.tasks.find((each) => each.name === name);
  if (task === undefined) {
    const names = workload.admitted.tasks.map((each) => each.name).join(', ');
    throw new RequestError('task_unknown', `task: expected one of ${names}, got ${name}`);
  }
  if (!task.containers.includes(consumer)) {
    const expected = task.containers.join(', ');
    throw new RequestError(
      'consumer_not_allowed',
      `consumer: expected one of ${expected}, as task ${name} names them, got ${consumer}`,
    );
  }
  const bound = bindParams(task, params);
  if (!bound.ok) throw newMalformedError('params_invalid', bound.faults);
  return {
    run: newRun(workload.pod.uid),
    workload,
    consumer,
    task,
    params: bound.value,
    ...(user !== undefined && { user }),
    ...(purpose !== undefined && { purpose }),
  };
};

/** Refuses a run that a Revocation names. @throws RequestError `revoked`, `revocations_unavailable` */
export const checkRevocations = (run: AuthorizedRun, { findRevocation }: RevocationDeps): void => {
  const revocation = findRevocation(toRevocationTarget(run));
  if (revocation === undefined) return;
  const { name, spec } = revocation;
  throw new RequestError('revoked', `Revocation ${name}: ${spec.reason}`);
};

/** What a Revocation may name of a run. */
const toRevocationTarget = ({ workload, task, run }: AuthorizedRun): RevocationTarget => {
  const { namespace, serviceAccount, pod } = workload;
  return { namespace, serviceAccount, pod: pod.name, podUid: pod.uid, task: task.name, run };
};

/**
 * Evaluates policy and stores the decision in `context`. Every outcome other than `allow` denies.
 *
 * @throws RequestError `policy_denied`, and what `decideRun` and `findUpstream` throw
 */
export const evaluatePolicy = async (
  run: AuthorizedRun,
  { caller, context }: { readonly caller: Caller; readonly context: ExchangeContext },
  deps: PolicyDeps,
): Promise<void> => {
  const decision = await deps.decideRun(toPolicyRequest(run, deps), caller);
  context.decision = decision;
  const { outcome, policies, reasons } = decision;
  if (outcome === 'allow') return;
  const message = reasons.length > 0 ? reasons.join('\n') : 'no policy permits it';
  throw new RequestError('policy_denied', message, { policies });
};

const toPolicyRequest = (
  { workload, user, task, params }: AuthorizedRun,
  { sourceRestriction, dialect, vend, findUpstream, now }: PolicyDeps,
): RunPolicyRequest => {
  const { namespace, namespaceLabels, serviceAccount } = workload;
  return {
    principal: { namespace, namespaceLabels, serviceAccount },
    task,
    ...(task.provider === 'http' && { upstream: findUpstream(task) }),
    params,
    sourceRestriction,
    dialect,
    vend,
    // Approvals are not implemented: a policy that requires one denies.
    approvals: [],
    atMs: now(),
    ...(user !== undefined && { user: { issuer: user.issuer, subject: user.subject } }),
  };
};
