import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { spiffeId } from '../../lib/grant/spiffe-id.ts';
import { decideAtAdmission } from '../../lib/policy/admission-decision.ts';
import type { Decision, RunQuestion } from '../../lib/policy/decision.ts';
import type { CompiledPolicies } from '../../lib/policy/policies.ts';
import { decide } from '../../lib/policy/run-decision.ts';
import type { Fault } from '../../lib/reading/fault.ts';
import { sessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import { bindParams } from '../../lib/task/params.ts';

/** What is known of a task, and what it would be given. */
export type ExplainedTask = {
  readonly task: Task;
  /** `sub` of its grants; absent under `trust: cluster`. */
  readonly subject?: string;
  /** Absent where no policy is asked: see {@link ExplainTerms.policies}. */
  readonly policy?: {
    /** Of every run, whatever is not known yet. */
    readonly anyRun: Decision;
    /** Of one that starts now, for no user; absent where its params are not known. */
    readonly now?: Decision;
  };
  readonly sessionPolicy: object;
  /** Params that were given and do not fit. */
  readonly faults: readonly Fault[];
};

export type ExplainTerms = {
  readonly platform: Platform;
  /** Absent under `trust: cluster`, and where no cluster is asked and no file holds any. */
  readonly policies?: CompiledPolicies;
  readonly loadCatalogue: LoadCatalogue;
  readonly principal: RunQuestion['principal'];
  /** Empty: none was given, and params are shown as places. */
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
  /** Absent: not known yet. */
  readonly podIp?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** Explains one task by the very code that would decide and scope its run. */
export const explainTask = async (task: Task, terms: ExplainTerms): Promise<ExplainedTask> => {
  const { platform, principal, now } = terms;
  const bound = paramsOf(task, terms.params);
  const policy = await decisionsOf(task, bound.params, terms);
  const places = Object.fromEntries(Object.keys(task.params).map((name) => [name, `{${name}}`]));
  const scope = sessionPolicy({
    ...{ task, params: bound.params ?? places, cloud: platform.cloud },
    deadline: now + task.lifetimeSeconds * 1000,
    podIp: terms.podIp ?? '{pod IP}',
  });
  const { trustDomain } = platform.authority ?? {};
  const { namespace, serviceAccount } = principal;
  return {
    task,
    ...(trustDomain !== undefined && {
      subject: spiffeId({ trustDomain, namespace, serviceAccount, task: task.name }),
    }),
    ...(policy !== undefined && { policy }),
    sessionPolicy: JSON.parse(scope) as object,
    faults: bound.faults,
  };
};

/** Of the params given, those that the task declares; none at all leaves its places open. */
const paramsOf = (
  task: Task,
  given: Readonly<Record<string, string>>,
): { readonly params?: Readonly<Record<string, string>>; readonly faults: readonly Fault[] } => {
  const own = Object.entries(given).filter(([name]) => Object.hasOwn(task.params, name));
  if (own.length === 0 && Object.keys(task.params).length > 0) return { faults: [] };
  const bound = bindParams(task, Object.fromEntries(own));
  if (bound.ok) return { params: bound.value, faults: [] };
  return { faults: bound.faults.map((fault) => ({ ...fault, source: `task ${task.name}` })) };
};

const decisionsOf = async (
  task: Task,
  params: Readonly<Record<string, string>> | undefined,
  { platform, policies, loadCatalogue, principal, purpose, now }: ExplainTerms,
): Promise<ExplainedTask['policy']> => {
  if (policies === undefined) return undefined;
  const parts = { policies, loadCatalogue };
  const question = { principal, task, bind: platform.cloud.bind.mode };
  const anyRun = await decideAtAdmission(parts, question);
  if (params === undefined) return { anyRun };
  const details = { params, approvals: [], at: now, ...(purpose !== undefined && { purpose }) };
  return { anyRun, now: await decide(parts, { ...question, ...details }) };
};
