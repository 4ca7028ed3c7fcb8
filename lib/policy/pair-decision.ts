import type { LoadCatalogue } from '../catalogue/catalogue.ts';
import type { Task } from '../contract/task.ts';
import { describeFault } from '../reading/fault.ts';
import { expandPairs, type Pair } from '../task/pairs.ts';
import type { Decision } from './decision.ts';
import type { CompiledPolicies } from './policies.ts';
import { judgeTogether, type Verdict } from './verdicts.ts';

/** What a decision needs beside its question. */
export type DecisionParts = {
  readonly policies: CompiledPolicies;
  readonly loadCatalogue: LoadCatalogue;
  /** Told how many pairs are about to be judged, which takes time; what it throws ends the decision. */
  readonly admit?: (pairs: number) => void;
};

/**
 * Judges each pair of a task; a task or policies that cannot be judged are denied.
 *
 * @param openJudge called only where there is something to judge
 */
export const decidePairs = async (
  { policies, loadCatalogue, admit }: DecisionParts,
  task: Task,
  openJudge: () => (pair: Pair) => Verdict,
): Promise<Decision> => {
  const { blockers, version } = policies;
  if (blockers.length > 0) return { outcome: 'deny', policies: [], reasons: blockers, version };
  const pairs = await expandPairs(task, loadCatalogue);
  if (pairs.ok) admit?.(pairs.value.length);
  return pairs.ok
    ? judgeTogether(pairs.value.map(openJudge()), version)
    : { outcome: 'deny', policies: [], reasons: pairs.faults.map(describeFault), version };
};
