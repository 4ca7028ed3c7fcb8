import type { Pair } from '../task/pairs.ts';
import { bindResource } from '../task/resource.ts';
import { evaluateCedar, type CedarPolicies, type CedarRequest } from './cedar.ts';
import type { PolicyDecision, RunPolicyRequest } from './decision.ts';
import { evaluatePairs, type EvaluationDeps } from './pair-decision.ts';
import { createRunRequestBuilder } from './cedar-requests.ts';
import type { PairResult } from './pair-results.ts';

/**
 * Decides one run: allowed only where every pair of a concrete action and a bound resource is. What
 * is invalid, unknown or fails in evaluation is a deny. Nothing is remembered from one decision to
 * the next.
 *
 * @throws when a param of the task is not bound, when the catalogue's files cannot be read, or when
 * Cedar itself fails: nothing was decided then
 */
export const evaluateRunPolicy = (
  parts: EvaluationDeps,
  question: RunPolicyRequest,
): Promise<PolicyDecision> =>
  evaluatePairs(parts, question.task, () => {
    const requestOf = createRunRequestBuilder(question);
    return (pair) => {
      const resource = bindResource(pair.resource, question.params);
      return evaluatePair(parts.policies, pair, requestOf({ action: pair.action, resource }));
    };
  });

const evaluatePair = (policies: CedarPolicies, pair: Pair, request: CedarRequest): PairResult => {
  const { decision, reason, failed } = evaluateCedar(policies, request);
  if (failed.length > 0) {
    return { pair, outcome: 'deny', policies: failed, reason: formatFailure(failed) };
  }
  return { pair, outcome: decision, policies: reason, reason: formatReason(decision, reason) };
};

/** Cedar would go on without a policy that fails; it could have been a forbid. */
export const formatFailure = (failed: readonly string[]): string =>
  `${failed.join(', ')} failed in evaluation`;

export const formatReason = (decision: 'allow' | 'deny', reason: readonly string[]): string => {
  if (decision === 'allow') return `permitted by ${reason.join(', ')}`;
  return reason.length > 0 ? `forbidden by ${reason.join(', ')}` : 'no policy permits it';
};
