import type { LoadCatalog } from '../catalog/catalog.ts';
import { formatFieldError, succeed, type Result } from '../schema/field-error.ts';
import { expandPairs, type Pair } from '../task/pairs.ts';
import { listReachedPairs } from '../task/reached-pairs.ts';
import type { AdmissionPolicyRequest, PolicyDecision } from './decision.ts';
import { expandUpstreamPairs } from './upstream-pairs.ts';
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
  question: PairsRequest,
  createEvaluator: () => (pair: Pair) => PairResult,
): Promise<PolicyDecision> => {
  const { blockers, version } = policies;
  if (blockers.length > 0) return { outcome: 'deny', policies: [], reasons: blockers, version };
  const pairs = await listPairs(question, loadCatalog);
  if (!pairs.ok) {
    return { outcome: 'deny', policies: [], reasons: pairs.faults.map(formatFieldError), version };
  }
  admit?.(pairs.value.length);
  return combineResults(pairs.value.map(createEvaluator()), version);
};

type PairsRequest = Pick<AdmissionPolicyRequest, 'task' | 'upstream' | 'dialect'>;

/**
 * Lists the pairs of a task, and those that its session reaches beyond them.
 *
 * @throws only when the files of the catalog cannot be read
 */
export const listPairs = async (
  { task, upstream, dialect }: PairsRequest,
  loadCatalog: LoadCatalog,
): Promise<Result<readonly Pair[]>> => {
  if (task.provider !== 'aws') return expandUpstreamPairs(task, upstream);
  const pairs = await expandPairs(task, loadCatalog);
  if (!pairs.ok || dialect !== 's3') return pairs;
  const reached = listReachedPairs(pairs.value, await loadCatalog(['s3']));
  return succeed([...pairs.value, ...reached]);
};
