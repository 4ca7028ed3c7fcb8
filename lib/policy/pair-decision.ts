import type { LoadCatalog } from '../catalog/catalog.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { expandPairs, type Pair } from '../task/pairs.ts';
import { listReachedPairs } from '../task/reached-pairs.ts';
import type { AdmissionPolicyRequest, PolicyDecision } from './decision.ts';
import { expandHttpPairs } from './http-pairs.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import { combineResults, type PairResult } from './pair-results.ts';

/** What a decision needs in addition to its request. */
export type EvaluationDeps = {
  readonly policies: CompiledPolicies;
  readonly loadCatalog: LoadCatalog;
  /** Called with the number of pairs before their evaluation, which takes time. What it throws ends the decision. */
  readonly admit?: (pairs: number) => void;
};

/**
 * Evaluates each pair of a task, and each that its session reaches beyond them. The decision is a deny if policies are invalid or the task cannot be
 * expanded.
 *
 * @param createEvaluator called only if there are pairs to evaluate
 */
export const evaluatePairs = async (
  { policies, loadCatalog, admit }: EvaluationDeps,
  { task, upstream, dialect }: Pick<AdmissionPolicyRequest, 'task' | 'upstream' | 'dialect'>,
  createEvaluator: () => (pair: Pair) => PairResult,
): Promise<PolicyDecision> => {
  const { blockers, version } = policies;
  if (blockers.length > 0) return { outcome: 'deny', policies: [], reasons: blockers, version };
  const isHttp = task.provider === 'http';
  const pairs = isHttp ? expandHttpPairs(task, upstream) : await expandPairs(task, loadCatalog);
  if (!pairs.ok) {
    return { outcome: 'deny', policies: [], reasons: pairs.faults.map(formatFieldError), version };
  }
  const reached =
    dialect === 's3' && !isHttp ? listReachedPairs(pairs.value, await loadCatalog(['s3'])) : [];
  const all = [...pairs.value, ...reached];
  admit?.(all.length);
  return combineResults(all.map(createEvaluator()), version);
};
