import type { LoadCatalog } from '../catalog/catalog.ts';
import type { Task } from '../contract/task.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { expandPairs, type Pair } from '../task/pairs.ts';
import type { PolicyDecision } from './decision.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import { combineResults, type PairResult } from './pair-results.ts';

/** What a decision needs beside its question. */
export type EvaluationDeps = {
  readonly policies: CompiledPolicies;
  readonly loadCatalog: LoadCatalog;
  /** Told how many pairs are about to be judged, which takes time; what it throws ends the decision. */
  readonly admit?: (pairs: number) => void;
};

/**
 * Judges each pair of a task; a task or policies that cannot be judged are denied.
 *
 * @param openJudge called only where there is something to judge
 */
export const evaluatePairs = async (
  { policies, loadCatalog, admit }: EvaluationDeps,
  task: Task,
  openJudge: () => (pair: Pair) => PairResult,
): Promise<PolicyDecision> => {
  const { blockers, version } = policies;
  if (blockers.length > 0) return { outcome: 'deny', policies: [], reasons: blockers, version };
  const pairs = await expandPairs(task, loadCatalog);
  if (pairs.ok) admit?.(pairs.value.length);
  return pairs.ok
    ? combineResults(pairs.value.map(openJudge()), version)
    : { outcome: 'deny', policies: [], reasons: pairs.faults.map(formatFieldError), version };
};
