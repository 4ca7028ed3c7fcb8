import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { buildSpiffeId } from '../../lib/grant/spiffe-id.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import type { PolicyDecision, RunPolicyRequest } from '../../lib/policy/decision.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { evaluateRunPolicy } from '../../lib/policy/run-decision.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';
import { buildSessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import { bindParams } from '../../lib/task/params.ts';

/** What is known of a task, and what it would be given. */
export type ExplainedTask = {
  readonly task: Task;
  /** `sub` of its grants; absent under `trust: cluster`. */
  readonly subject?: string;
  /** Absent where no policy is asked: see {@link ExplainTaskOptions.policies}. */
  readonly policy?: {
    /** Of every run, whatever is not known yet. */
    readonly anyRun: PolicyDecision;
    /** Of one that starts now, for no user; absent where its params are not known. */
    readonly now?: PolicyDecision;
  };
  readonly sessionPolicy: object;
  /** Params that were given and do not fit. */
  readonly faults: readonly FieldError[];
};

export type ExplainTaskOptions = {
  readonly platform: Platform;
  /** Absent under `trust: cluster`, and where no cluster is asked and no file holds any. */
  readonly policies?: CompiledPolicies;
  readonly loadCatalog: LoadCatalog;
  readonly principal: RunPolicyRequest['principal'];
  /** Empty: none was given, and params are shown as places. */
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
  /** Absent: not known yet. */
  readonly podIp?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** Explains one task by the very code that would decide and scope its run. */
export const explainTask = async (
  task: Task,
  terms: ExplainTaskOptions,
): Promise<ExplainedTask> => {
  const { platform, principal, now } = terms;
  const bound = selectParams(task, terms.params);
  const policy = await evaluateDecisions(task, bound.params, terms);
  const placeholders = Object.fromEntries(
    Object.keys(task.params).map((name) => [name, `{${name}}`]),
  );
  const scope = buildSessionPolicy({
    ...{ task, params: bound.params ?? placeholders, cloud: platform.cloud },
    deadline: now + task.lifetimeSeconds * 1000,
    podIp: terms.podIp ?? '{pod IP}',
  });
  const { trustDomain } = platform.authority ?? {};
  const { namespace, serviceAccount } = principal;
  return {
    task,
    ...(trustDomain !== undefined && {
      subject: buildSpiffeId({ trustDomain, namespace, serviceAccount, task: task.name }),
    }),
    ...(policy !== undefined && { policy }),
    sessionPolicy: JSON.parse(scope) as object,
    faults: bound.faults,
  };
};

/** Of the params given, those that the task declares; none at all leaves its places open. */
const selectParams = (
  task: Task,
  given: Readonly<Record<string, string>>,
): {
  readonly params?: Readonly<Record<string, string>>;
  readonly faults: readonly FieldError[];
} => {
  const own = Object.entries(given).filter(([name]) => Object.hasOwn(task.params, name));
  if (own.length === 0 && Object.keys(task.params).length > 0) return { faults: [] };
  const bound = bindParams(task, Object.fromEntries(own));
  if (bound.ok) return { params: bound.value, faults: [] };
  return { faults: bound.faults.map((fault) => ({ ...fault, source: `task ${task.name}` })) };
};

const evaluateDecisions = async (
  task: Task,
  params: Readonly<Record<string, string>> | undefined,
  { platform, policies, loadCatalog, principal, purpose, now }: ExplainTaskOptions,
): Promise<ExplainedTask['policy']> => {
  if (policies === undefined) return undefined;
  const deps = { policies, loadCatalog };
  const question = { principal, task, sourceRestriction: platform.cloud.sourceRestriction.mode };
  const anyRun = await evaluateAdmissionPolicy(deps, question);
  if (params === undefined) return { anyRun };
  const details = { params, approvals: [], atMs: now, ...(purpose !== undefined && { purpose }) };
  return { anyRun, now: await evaluateRunPolicy(deps, { ...question, ...details }) };
};
