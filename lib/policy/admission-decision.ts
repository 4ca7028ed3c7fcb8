import type { PolicyJson, ResidualResponse } from '@cedar-policy/cedar-wasm/nodejs';
import type { Pair } from '../task/pairs.ts';
import { readPlaceholders } from '../task/resource.ts';
import { evaluateCedarPartially } from './cedar.ts';
import type { AdmissionPolicyRequest, PolicyDecision } from './decision.ts';
import { evaluatePairs, type EvaluationDeps } from './pair-decision.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import { createAdmissionRequestBuilder, buildGeneralRequest } from './cedar-requests.ts';
import { isSatisfiable, listUnknowns } from './residuals.ts';
import { formatReason, formatFailure } from './run-decision.ts';
import { foldResource } from './unknowns.ts';
import type { PairResult } from './pair-results.ts';

/**
 * Decides a declared task before anything runs, while time, user, purpose, approvals and the values
 * of params are unknown. A deny holds for every run of the task, whatever these will be; an allow
 * hangs on none of them; everything else is undecided. None of it grants anything: each run is
 * decided afresh.
 *
 * @throws when the catalogue's files cannot be read, or when Cedar itself fails
 */
export const evaluateAdmissionPolicy = (
  parts: EvaluationDeps,
  question: AdmissionPolicyRequest,
): Promise<PolicyDecision> =>
  evaluatePairs(parts, question.task, () => {
    const requestOf = createAdmissionRequestBuilder(question);
    const concerned = selectRelevantPolicies(parts.policies, question);
    return (pair) => {
      const hasPlaces = readPlaceholders(pair.resource).length > 0;
      const folded = hasPlaces ? foldPolicies(concerned, pair.resource) : concerned;
      return toPairResult(pair, evaluateCedarPartially(folded, requestOf(pair)), concerned);
    };
  });

type PolicyJsonById = Readonly<Record<string, PolicyJson>>;

const foldPolicies = (policies: PolicyJsonById, resource: string): PolicyJsonById =>
  Object.fromEntries(
    Object.entries(policies).map(([id, json]) => [id, foldResource(json, resource)]),
  );

/** Those that could matter to some pair of this task: parsing the others for each pair costs most. */
const selectRelevantPolicies = (
  { withUnknowns }: CompiledPolicies,
  question: AdmissionPolicyRequest,
): PolicyJsonById => {
  const response = evaluateCedarPartially(withUnknowns, buildGeneralRequest(question));
  const ids = new Set([
    ...response.satisfied,
    ...response.errored,
    ...response.nontrivialResiduals,
  ]);
  return Object.fromEntries(Object.entries(withUnknowns).filter(([id]) => ids.has(id)));
};

const toPairResult = (
  pair: Pair,
  response: ResidualResponse,
  policies: PolicyJsonById,
): PairResult => ({
  pair,
  ...resolveOutcome(classifyPolicies(response, policies)),
});

/** Ids by what is left of their policies. */
type ClassifiedPolicies = {
  readonly failed: readonly string[];
  readonly permits: readonly string[];
  readonly forbids: readonly string[];
  /** What hangs on something, and can still come true. */
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

const resolveOutcome = (sorted: ClassifiedPolicies): Omit<PairResult, 'pair'> => {
  const { failed, permits, forbids, open, residuals } = sorted;
  if (failed.length > 0)
    return { outcome: 'deny', policies: failed, reason: formatFailure(failed) };
  if (forbids.length > 0 || permits.length + open.permits.length === 0) {
    return { outcome: 'deny', policies: forbids, reason: formatReason('deny', forbids) };
  }
  if (permits.length > 0 && open.forbids.length === 0) {
    return { outcome: 'allow', policies: permits, reason: formatReason('allow', permits) };
  }
  const ids = [...open.permits, ...open.forbids].sort();
  const names = listUnknowns(ids.map((id) => residuals[id])).join(', ');
  return { outcome: 'undecided', policies: ids, reason: `hangs on ${names} by ${ids.join(', ')}` };
};
