import type { Revocation, TaskDetails } from '../contract/authority.ts';
import type { Bind } from '../contract/platform.ts';
import type { User } from '../identity/workload.ts';
import type { Decision, RunQuestion } from '../policy/decision.ts';
import type { RunFacts } from '../revocation/matching.ts';
import { bindParams } from '../task/params.ts';
import { IssuingError, malformedBy } from './refusal.ts';
import type { RunOrder } from './run-order.ts';

/**
 * What is asked for, by what admission fixed for this pod: nothing of the caller's own but the names
 * and the values of declared params.
 *
 * @throws IssuingError `task_unknown`, `consumer_not_allowed`, `params_invalid`
 */
export const orderOf = (
  { task: name, consumer, params, purpose }: TaskDetails,
  {
    workload,
    user,
    newRun,
  }: Pick<RunOrder, 'workload'> & {
    readonly user: User | undefined;
    readonly newRun: (podUid: string) => string;
  },
): RunOrder => {
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
  if (!bound.ok) throw malformedBy('params_invalid', bound.faults);
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
export const questionOf = (
  { workload, user, task, params, purpose }: RunOrder,
  { bind, at }: { readonly bind: Bind['mode']; readonly at: number },
): RunQuestion => {
  const { namespace, namespaceLabels, serviceAccount } = workload;
  return {
    principal: { namespace, namespaceLabels, serviceAccount },
    task,
    params,
    bind,
    // Approvals of humans come later; until then a policy that asks for one refuses.
    approvals: [],
    at,
    ...(purpose !== undefined && { purpose }),
    ...(user !== undefined && { user: { issuer: user.issuer, subject: user.subject } }),
  };
};

/** Whom a Revocation may name. */
export const factsOf = ({ workload, task, run }: RunOrder): RunFacts => {
  const { namespace, serviceAccount, pod } = workload;
  return { namespace, serviceAccount, pod: pod.name, podUid: pod.uid, task: task.name, run };
};

/** @throws IssuingError `revoked` */
export const refuseRevoked = (revocation: Pick<Revocation, 'name' | 'spec'> | undefined): void => {
  if (revocation === undefined) return;
  const { name, spec } = revocation;
  throw new IssuingError('revoked', `Revocation ${name}: ${spec.reason}`);
};

/** Everything but a plain yes is a no. @throws IssuingError `policy_denied` */
export const refuseDenied = ({ outcome, policies, reasons }: Decision): void => {
  if (outcome === 'allow') return;
  const message = reasons.length > 0 ? reasons.join('\n') : 'no policy permits it';
  throw new IssuingError('policy_denied', message, { policies });
};
