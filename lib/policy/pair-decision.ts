import type { LoadCatalog } from '../catalog/catalog.ts';
import type { Task } from '../contract/task.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { expandPairs, type Pair } from '../task/pairs.ts';
import type { PolicyDecision } from './decision.ts';
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
 * Evaluates each pair of a task. The decision is a deny if policies are invalid or the task cannot be
 * expanded.
 *
 * @param createEvaluator called only if there are pairs to evaluate
 */
export const evaluatePairs = async (
  { policies, loadCatalog, admit }: EvaluationDeps,
  task: Task,
  createEvaluator: () => (pair: Pair) => PairResult,
): Promise<PolicyDecision> => {
  const { blockers, version } = policies;
  if (blockers.length > 0) return { outcome: 'deny', policies: [], reasons: blockers, version };
  const pairs = await expandPairs(task, loadCatalog);
  if (pairs.ok) admit?.(pairs.value.length);
  return pairs.ok
    ? combineResults(pairs.value.map(createEvaluator()), version)
    : { outcome: 'deny', policies: [], reasons: pairs.faults.map(formatFieldError), version };
};
