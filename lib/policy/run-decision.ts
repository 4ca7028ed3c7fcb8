import type { Pair } from '../task/pairs.ts';
import { bindResource } from '../task/resource.ts';
import { askCedar, type CedarPolicies, type CedarRequest } from './cedar.ts';
import type { Decision, RunQuestion } from './decision.ts';
import { decidePairs, type DecisionParts } from './pair-decision.ts';
import { runRequests } from './requests.ts';
import type { Verdict } from './verdicts.ts';

/**
 * Decides one run: allowed only where every pair of a concrete action and a bound resource is. What
 * is invalid, unknown or fails in evaluation is a deny. Nothing is remembered from one decision to
 * the next.
 *
 * @throws when a param of the task is not bound, when the catalogue's files cannot be read, or when
 * Cedar itself fails: nothing was decided then
 */
export const decide = (parts: DecisionParts, question: RunQuestion): Promise<Decision> =>
  decidePairs(parts, question.task, () => {
    const requestOf = runRequests(question);
    return (pair) => {
      const resource = bindResource(pair.resource, question.params);
      return judgePair(parts.policies, pair, requestOf({ action: pair.action, resource }));
    };
  });

const judgePair = (policies: CedarPolicies, pair: Pair, request: CedarRequest): Verdict => {
  const { decision, reason, failed } = askCedar(policies, request);
  if (failed.length > 0) {
    return { pair, outcome: 'deny', policies: failed, because: failure(failed) };
  }
  return { pair, outcome: decision, policies: reason, because: explain(decision, reason) };
};

/** Cedar would go on without a policy that fails; it could have been a forbid. */
export const failure = (failed: readonly string[]): string =>
  `${failed.join(', ')} failed in evaluation`;

export const explain = (decision: 'allow' | 'deny', reason: readonly string[]): string => {
  if (decision === 'allow') return `permitted by ${reason.join(', ')}`;
  return reason.length > 0 ? `forbidden by ${reason.join(', ')}` : 'no policy permits it';
};
