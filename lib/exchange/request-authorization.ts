import type { Revocation, TaskDetails } from '../contract/authority-api.ts';
import type { SourceRestriction } from '../contract/platform.ts';
import type { User } from '../identity/workload.ts';
import type { PolicyDecision, RunPolicyRequest } from '../policy/decision.ts';
import type { RevocationTarget } from '../revocation/matching.ts';
import { bindParams } from '../task/params.ts';
import { IssuingError, newMalformedError } from './token-refusal.ts';
import type { AuthorizedRun } from './authorized-run.ts';

/**
 * What is asked for, by what admission fixed for this pod: nothing of the caller's own but the names
 * and the values of declared params.
 *
 * @throws IssuingError `task_unknown`, `consumer_not_allowed`, `params_invalid`
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
    throw new IssuingError('task_unknown', `task: expected one of ${names}, got ${name}`);
  }
  if (!task.containers.includes(consumer)) {
    const expected = task.containers.join(', ');
    throw new IssuingError(
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

/** The same, as policy sees it. */
export const toPolicyRequest = (
  { workload, user, task, params, purpose }: AuthorizedRun,
  {
    bind: sourceRestriction,
    at: atMs,
  }: { readonly bind: SourceRestriction['mode']; readonly at: number },
): RunPolicyRequest => {
  const { namespace, namespaceLabels, serviceAccount } = workload;
  return {
    principal: { namespace, namespaceLabels, serviceAccount },
    task,
    params,
    sourceRestriction,
    // Approvals of humans come later; until then a policy that asks for one refuses.
    approvals: [],
    atMs,
    ...(purpose !== undefined && { purpose }),
    ...(user !== undefined && { user: { issuer: user.issuer, subject: user.subject } }),
  };
};

/** Whom a Revocation may name. */
export const toRevocationTarget = ({ workload, task, run }: AuthorizedRun): RevocationTarget => {
  const { namespace, serviceAccount, pod } = workload;
  return { namespace, serviceAccount, pod: pod.name, podUid: pod.uid, task: task.name, run };
};

/** @throws IssuingError `revoked` */
export const checkRevocations = (
  revocation: Pick<Revocation, 'name' | 'spec'> | undefined,
): void => {
  if (revocation === undefined) return;
  const { name, spec } = revocation;
  throw new IssuingError('revoked', `Revocation ${name}: ${spec.reason}`);
};

/** Everything but a plain yes is a no. @throws IssuingError `policy_denied` */
export const checkPolicyDecision = ({ outcome, policies, reasons }: PolicyDecision): void => {
  if (outcome === 'allow') return;
  const message = reasons.length > 0 ? reasons.join('\n') : 'no policy permits it';
  throw new IssuingError('policy_denied', message, { policies });
};
