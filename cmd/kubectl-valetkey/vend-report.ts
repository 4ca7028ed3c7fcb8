import type { VendPolicy } from '../../lib/contract/platform.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import type { AdmissionPolicyRequest, PolicyDecision } from '../../lib/policy/decision.ts';
import type { EvaluationDeps } from '../../lib/policy/pair-decision.ts';
import {
  getExceptionState,
  isCounted,
  MAX_EXCEPTION_DAYS,
  needsException,
  type ExceptionState,
  type VendException,
} from '../../lib/policy/vend-exceptions.ts';

/** A permit that states its end and its reason. */
export type ListedException = VendException & {
  /** ID: `<TaskPolicy>/<id or index>`. */
  readonly policy: string;
  readonly state: ExceptionState;
};

/** Why a task whose permits need `@until` may run, or not. */
export type VendExplanation = {
  /** The exceptions that decided. */
  readonly exceptions: readonly ListedException[];
  /** Permits that would allow it if they counted. */
  readonly ignored: readonly { readonly policy: string; readonly why: string }[];
};

/** Lists all exceptions of a set, the first to end first. @param atMs milliseconds since the epoch */
export const listExceptions = (
  { exceptions }: Pick<CompiledPolicies, 'exceptions'>,
  atMs: number,
): readonly ListedException[] =>
  Object.entries(exceptions)
    .map(([policy, each]) => ({ policy, ...each, state: getExceptionState(each, atMs) }))
    .sort((one, other) => (one.until + one.policy < other.until + other.policy ? -1 : 1));

/**
 * Explains a decision about `delivery: vend`.
 *
 * @returns undefined if its permits need no exception
 */
export const explainVend = async (
  { outcome, policies: decisive }: PolicyDecision,
  deps: EvaluationDeps,
  request: AdmissionPolicyRequest,
): Promise<VendExplanation | undefined> => {
  if (!needsException(request)) return undefined;
  const all = listExceptions(deps.policies, request.atMs);
  const permits = outcome === 'undecided' ? await listPermits(deps, request) : decisive;
  const exceptions = all.filter(({ policy }) => permits.includes(policy));
  if (outcome !== 'deny') return { exceptions, ignored: [] };
  const free = await evaluateAdmissionPolicy(deps, { ...request, vend: 'free' });
  if (free.outcome === 'deny') return { exceptions, ignored: [] };
  const ignored = free.policies
    .map((policy) => ({
      policy,
      effect: deps.policies.withUnknowns[policy]?.effect ?? 'permit',
      exception: deps.policies.exceptions[policy],
    }))
    .filter((each) => !isCounted(each, request))
    .map(({ policy, exception }) => ({ policy, why: formatIgnored(exception, request.atMs) }));
  return { exceptions, ignored };
};

/** A decision that depends on a forbid does not name the permits: they are decided without any forbid. */
const listPermits = async (
  deps: EvaluationDeps,
  request: AdmissionPolicyRequest,
): Promise<readonly string[]> => {
  const withUnknowns = Object.fromEntries(
    Object.entries(deps.policies.withUnknowns).filter(([, { effect }]) => effect === 'permit'),
  );
  const policies = { ...deps.policies, withUnknowns };
  return (await evaluateAdmissionPolicy({ ...deps, policies }, request)).policies;
};

const formatIgnored = (exception: VendException | undefined, atMs: number): string =>
  exception === undefined
    ? 'has no valid @until and @reason'
    : `has @until("${exception.until}"), ${STATE_TEXT[getExceptionState(exception, atMs)]}`;

/** Also the column STATE of `status`. */
export const STATE_TEXT: Readonly<Record<ExceptionState, string>> = {
  current: 'in force',
  ended: 'ended',
  future: `more than ${MAX_EXCEPTION_DAYS} days ahead`,
};

/** Running pods of one service account that run one task with `delivery: vend`. */
export type VendingTask = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly task: string;
  /** Names of the first pods. */
  readonly pods: readonly string[];
  readonly podCount: number;
  /** `unknown`: it could not be evaluated. */
  readonly outcome: PolicyDecision['outcome'] | 'unknown';
  /** Why the task may vend, or not. */
  readonly why: string;
};

/** Formats the outcome of a vending task for one cell of a table. */
export const formatWhy = (
  { outcome, policies }: PolicyDecision,
  { exceptions }: Pick<VendExplanation, 'exceptions'>,
): string => {
  if (outcome === 'deny') {
    return policies.length === 0
      ? 'denied: no permit with a current @until'
      : `denied by ${policies.join(', ')}`;
  }
  const permits = exceptions.map(({ policy, until }) => `${policy} until ${until}`).join(', ');
  return outcome === 'allow' ? permits : `undecided: ${permits}`;
};

/** Why tasks vend where no permit needs an exception. */
export const formatFree = (trust: string, vend: VendPolicy): string =>
  trust === 'cluster' ? 'trust: cluster' : `policy.vend: ${vend}`;
