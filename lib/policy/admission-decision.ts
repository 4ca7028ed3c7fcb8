import type { PolicyJson, ResidualResponse } from '@cedar-policy/cedar-wasm/nodejs';
import type { Task } from '../contract/task.ts';
import { readPlaceholders } from '../task/resource.ts';
import { evaluateCedarPartially } from './cedar.ts';
import type { AdmissionPolicyRequest, PolicyDecision } from './decision.ts';
import { evaluatePairs, type EvaluationDeps } from './pair-decision.ts';
import { selectCountingPolicies, type CountingPolicies } from './compiled-policies.ts';
import { createAdmissionRequestBuilder, buildGeneralRequest } from './cedar-requests.ts';
import { isSatisfiable, listUnknowns } from './residuals.ts';
import { formatReason, formatFailure } from './run-decision.ts';
import { foldResource, resolveParentPresence } from './unknowns.ts';
import type { PairResult } from './pair-results.ts';

/**
 * Decides on a declared task at admission, when time, user, parent, approvals and the values of params
 * are unknown. A deny holds for every run of the task; an allow depends on none of these; everything else
 * is undecided. The decision grants nothing: each run is decided again.
 *
 * @throws when the files of the catalog cannot be read, or when Cedar itself fails
 */
export const evaluateAdmissionPolicy = (
  deps: EvaluationDeps,
  question: AdmissionPolicyRequest,
): Promise<PolicyDecision> =>
  evaluatePairs(deps, question, () => {
    const buildRequest = createAdmissionRequestBuilder(question);
    const counting = selectCountingPolicies(deps.policies, question);
    const relevant = selectRelevantPolicies(counting, question);
    return (pair) => {
      const hasPlaceholders = readPlaceholders(pair.resource).length > 0;
      const folded = hasPlaceholders ? foldPolicies(relevant, pair.resource) : relevant;
      const response = evaluateCedarPartially(folded, buildRequest(pair));
      return { pair, ...resolveOutcome(classifyPolicies(response, relevant), counting) };
    };
  });

type PolicyJsonById = Readonly<Record<string, PolicyJson>>;

const foldPolicies = (policies: PolicyJsonById, resource: string): PolicyJsonById =>
  Object.fromEntries(
    Object.entries(policies).map(([id, json]) => [id, foldResource(json, resource)]),
  );

/** Selects the policies that could matter to some pair of this task: parsing takes most of the time. */
const selectRelevantPolicies = (
  { withUnknowns }: CountingPolicies,
  question: AdmissionPolicyRequest,
): PolicyJsonById => {
  const policies = resolveParents(withUnknowns, question.task.delegated);
  const response = evaluateCedarPartially(policies, buildGeneralRequest(question));
  const ids = new Set([
    ...response.satisfied,
    ...response.errored,
    ...response.nontrivialResiduals,
  ]);
  return Object.fromEntries(Object.entries(policies).filter(([id]) => ids.has(id)));
};

/** Only of a task that may be delegated, and need not be, is it unknown whether a run is above its runs. */
const resolveParents = (policies: PolicyJsonById, delegated: Task['delegated']): PolicyJsonById =>
  delegated === 'allowed'
    ? policies
    : Object.fromEntries(
        Object.entries(policies).map(([id, json]) => [
          id,
          resolveParentPresence(json, delegated === 'required'),
        ]),
      );

/** Policy IDs by the result of their partial evaluation. */
type ClassifiedPolicies = {
  readonly failed: readonly string[];
  readonly permits: readonly string[];
  readonly forbids: readonly string[];
  /** Policies that depend on an unknown value and can still be satisfied. */
  readonly open: { readonly permits: readonly string[]; readonly forbids: readonly string[] };
  readonly residuals: Readonly<Record<string, PolicyJson>>;
};

const classifyPolicies = (
  response: ResidualResponse,
  policies: PolicyJsonById,
): ClassifiedPolicies => {
  const { satisfied, errored, nontrivialResiduals, residuals } = response;
  const pick = (ids: readonly string[], effect: string): readonly string[] =>
    ids.filter((id) => policies[id]?.effect === effect).sort();
  const open = {
    permits: pick(nontrivialResiduals, 'permit').filter((id) => isSatisfiable(residuals[id])),
    forbids: pick(nontrivialResiduals, 'forbid'),
  };
  const [permits, forbids] = [pick(satisfied, 'permit'), pick(satisfied, 'forbid')];
  return { failed: errored.toSorted(), permits, forbids, open, residuals };
};

const resolveOutcome = (
  sorted: ClassifiedPolicies,
  counting: Pick<CountingPolicies, 'name'>,
): Omit<PairResult, 'pair'> => {
  const { failed, permits, forbids, open, residuals } = sorted;
  if (failed.length > 0)
    return { outcome: 'deny', policies: failed, reason: formatFailure(failed) };
  if (forbids.length > 0 || permits.length + open.permits.length === 0) {
    return { outcome: 'deny', policies: forbids, reason: formatReason('deny', forbids, counting) };
  }
  if (permits.length > 0 && open.forbids.length === 0) {
    return {
      outcome: 'allow',
      policies: permits,
      reason: formatReason('allow', permits, counting),
    };
  }
  const ids = [...open.permits, ...open.forbids].sort();
  const names = listUnknowns(ids.map((id) => residuals[id])).join(', ');
  return {
    outcome: 'undecided',
    policies: ids,
    reason: `depends on ${names} by ${ids.join(', ')}`,
  };
};
