import { randomUUID } from 'node:crypto';

import type { ChainLink } from '../contract/approvals.ts';
import type { Gate, Revocation, TaskDetails } from '../contract/authority-api.ts';
import type { CloudSettings, SourceRestriction, VendPolicy } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import type { Upstream } from '../upstreams/upstream.ts';
import type { AskedDecision } from '../policy/approval-demand.ts';
import type { PolicyDecision, RunPolicyRequest } from '../policy/decision.ts';
import type { RevocationTarget } from '../revocation/matching.ts';
import { bindParams } from '../task/params.ts';
import { describeAskedRun } from './asked-acts.ts';
import type { AuthorizedRun } from './authorized-run.ts';
import type { Caller } from './caller.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { obtainApproval, type ApprovedAct } from './act-approval.ts';
import type { ApprovalDeps } from './approval-question.ts';
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
export type DecideRun = (request: RunPolicyRequest, caller: Caller) => Promise<AskedDecision>;

export type PolicyDeps = {
  readonly decideRun: DecideRun;
  /** What is left to decide about the calls of a run that policy allows. @throws RequestError `policy_unavailable` */
  readonly computeGates: (request: RunPolicyRequest) => Promise<readonly Gate[]>;
  readonly sourceRestriction: SourceRestriction['mode'];
  readonly dialect: CloudSettings['dialect'];
  readonly vend: VendPolicy;
  /** @throws RequestError `upstream_unknown`, `upstreams_unavailable` */
  readonly findUpstream: (task: Task) => Upstream;
  readonly approvals: ApprovalDeps;
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
    readonly user: AuthorizedRun['user'];
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
export const checkRevocations = (run: AuthorizedRun, deps: RevocationDeps): void =>
  refuseRevoked(toRevocationTarget(run), deps);

/** @throws RequestError `revoked`, `revocations_unavailable` */
export const refuseRevoked = (
  target: RevocationTarget,
  { findRevocation }: RevocationDeps,
): void => {
  const revocation = findRevocation(target);
  if (revocation !== undefined) throw newRevokedError(revocation);
};

/** The refusal of what a Revocation names. */
export const newRevokedError = ({ name, spec }: Pick<Revocation, 'name' | 'spec'>): RequestError =>
  new RequestError('revoked', `Revocation ${name}: ${spec.reason}`);

/** What a Revocation may name of a run. */
const toRevocationTarget = ({
  workload,
  task,
  run,
  delegation,
}: AuthorizedRun): RevocationTarget => {
  const { namespace, serviceAccount, pod } = workload;
  return {
    namespace,
    serviceAccount,
    pod: pod.name,
    podUid: pod.uid,
    task: task.name,
    run,
    ...(delegation !== undefined && { ancestors: delegation.chain }),
  };
};

/**
 * Adds the Upstream of the run's task. It is looked up once: the secret is issued by the one that policy decides
 * on, although another may be applied meanwhile.
 *
 * @throws RequestError `upstream_unknown`, `upstreams_unavailable`
 */
export const addUpstream = (
  run: AuthorizedRun,
  { findUpstream }: Pick<PolicyDeps, 'findUpstream'>,
): AuthorizedRun =>
  run.task.provider === 'aws' ? run : { ...run, upstream: findUpstream(run.task) };

/**
 * Evaluates policy and stores the decision in `context`. Every outcome other than `allow` denies, unless people
 * approved exactly this run.
 *
 * @returns uses up what they approved, once nothing else can refuse the run
 * @throws RequestError `policy_denied`, `approval_…`, and what `decideRun` and `findUpstream` throw; AuditError
 */
export const evaluatePolicy = async (
  run: AuthorizedRun,
  { caller, context }: { readonly caller: Caller; readonly context: ExchangeContext },
  deps: PolicyDeps,
): Promise<ApprovedAct['use']> => {
  const request = toPolicyRequest(toPolicySubject(run), deps);
  const { decision, demand } = await deps.decideRun(request, caller);
  context.decision = decision;
  if (decision.outcome === 'allow') return () => Promise.resolve();
  if (demand === undefined) throw newDeniedError(decision);
  const attempt = context.attempt ?? randomUUID();
  const act = describeAskedRun(run);
  const { groups, use } = await obtainApproval({ act, demand, attempt }, deps.approvals);
  const approved = await deps.decideRun({ ...request, approvals: groups }, caller);
  context.decision = approved.decision;
  if (approved.decision.outcome !== 'allow') throw newDeniedError(approved.decision);
  context.approvals = groups;
  return use;
};

const newDeniedError = ({ policies, reasons }: PolicyDecision): RequestError => {
  const message = reasons.length > 0 ? reasons.join('\n') : 'no policy permits it';
  return new RequestError('policy_denied', message, { policies });
};

/** The part of a run that policy sees, from its start or from its ticket. */
export type PolicySubject = Pick<
  RunPolicyRequest,
  'principal' | 'task' | 'upstream' | 'params' | 'approvals' | 'user' | 'parent'
>;

export type PolicyRequestDeps = Omit<PolicyDeps, 'decideRun' | 'computeGates' | 'approvals'>;

/** A run as it is asked for, without an approval. */
export const toPolicySubject = ({
  workload,
  user,
  task,
  upstream,
  params,
  delegation,
}: AuthorizedRun): PolicySubject => ({
  principal: workload,
  task,
  params,
  approvals: [],
  ...(upstream !== undefined && { upstream }),
  ...(user !== undefined && { user }),
  ...buildPolicyParent(delegation?.chain ?? []),
});

/** What policy sees of the run above a delegated one; nothing of a run that was not delegated. */
export const buildPolicyParent = (chain: readonly ChainLink[]): Pick<PolicySubject, 'parent'> => {
  const last = chain.at(-1);
  if (last === undefined) return {};
  const { namespace, serviceAccount, task } = last;
  return { parent: { namespace, serviceAccount, task, depth: chain.length } };
};

/** What policy evaluates of a run. */
export const toPolicyRequest = (
  { principal, user, task, upstream, params, approvals, parent }: PolicySubject,
  { sourceRestriction, dialect, vend, now }: Omit<PolicyRequestDeps, 'findUpstream'>,
): RunPolicyRequest => {
  const { namespace, namespaceLabels, serviceAccount } = principal;
  return {
    principal: { namespace, namespaceLabels, serviceAccount },
    task,
    ...(upstream !== undefined && { upstream }),
    params,
    sourceRestriction,
    dialect,
    vend,
    approvals,
    atMs: now(),
    ...(user !== undefined && { user: { issuer: user.issuer, subject: user.subject } }),
    ...(parent !== undefined && { parent }),
  };
};
