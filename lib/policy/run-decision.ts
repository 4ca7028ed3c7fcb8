import type { Pair } from '../task/pairs.ts';
import { bindResource } from '../task/resource.ts';
import { evaluateCedar, type CedarRequest } from './cedar.ts';
import { selectCountingPolicies, type CountingPolicies } from './compiled-policies.ts';
import type { PolicyDecision, RunPolicyRequest } from './decision.ts';
import { evaluatePairs, type EvaluationDeps } from './pair-decision.ts';
import { createRunRequestBuilder } from './cedar-requests.ts';
import type { PairResult } from './pair-results.ts';

/**
 * Decides on one run. It is allowed only if every pair of a concrete action and a bound resource is. An
 * invalid policy, an unknown action and a failed evaluation are a deny. Decisions are not cached.
 *
 * @throws when a param has no value, when the files of the catalog cannot be read, or when Cedar itself
 *   fails: there is no decision then
 */
export const evaluateRunPolicy = (
  deps: EvaluationDeps,
  question: RunPolicyRequest,
): Promise<PolicyDecision> =>
  evaluatePairs(deps, question, () => {
    const buildRequest = createRunRequestBuilder(question);
    const policies = selectCountingPolicies(deps.policies, question);
    return (pair) => {
      const resource = bindResource(pair.resource, question.params);
      return evaluatePair(policies, pair, buildRequest({ action: pair.action, resource }));
    };
  });

const evaluatePair = (
  policies: CountingPolicies,
  pair: Pair,
  request: CedarRequest,
): PairResult => {
  const { decision, reason, failed } = evaluateCedar(policies, request);
  if (failed.length > 0) {
    return { pair, outcome: 'deny', policies: failed, reason: formatFailure(failed) };
  }
  const because = formatReason(decision, reason, policies);
  return { pair, outcome: decision, policies: reason, reason: because };
};

/** A failed policy denies, because it could be a forbid; Cedar alone would ignore it. */
export const formatFailure = (failed: readonly string[]): string =>
  `${failed.join(', ')} could not be evaluated`;

/** @param policies those that counted: without any permit, the reader has to know what one needs */
export const formatReason = (
  decision: 'allow' | 'deny',
  reason: readonly string[],
  { name }: Pick<CountingPolicies, 'name'>,
): string => {
  if (decision === 'allow') return `permitted by ${reason.join(', ')}`;
  if (reason.length > 0) return `forbidden by ${reason.join(', ')}`;
  return name === 'all' ? 'no policy permits it' : NO_EXCEPTION;
};

const NO_EXCEPTION =
  'no policy permits it with delivery: vend, for which only permits with a current @until and a @reason count; use delivery: sign';
