import type { PolicyJson, ResidualResponse } from '@cedar-policy/cedar-wasm/nodejs';
import type { Pair } from '../task/pairs.ts';
import { readPlaces } from '../task/resource.ts';
import { askCedarPartially } from './cedar.ts';
import type { AdmissionQuestion, Decision } from './decision.ts';
import { decidePairs, type DecisionParts } from './pair-decision.ts';
import type { CompiledPolicies } from './policies.ts';
import { admissionRequests, generalRequest } from './requests.ts';
import { canHold, unknownsOf } from './residuals.ts';
import { explain, failure } from './run-decision.ts';
import { foldResource } from './unknowns.ts';
import type { Verdict } from './verdicts.ts';

/**
 * Decides a declared task before anything runs, while time, user, purpose, approvals and the values
 * of params are unknown. A deny holds for every run of the task, whatever these will be; an allow
 * hangs on none of them; everything else is undecided. None of it grants anything: each run is
 * decided afresh.
 *
 * @throws when the catalogue's files cannot be read, or when Cedar itself fails
 */
export const decideAtAdmission = (
  parts: DecisionParts,
  question: AdmissionQuestion,
): Promise<Decision> =>
  decidePairs(parts, question.task, () => {
    const requestOf = admissionRequests(question);
    const concerned = concernedPolicies(parts.policies, question);
    return (pair) => {
      const hasPlaces = readPlaces(pair.resource).length > 0;
      const folded = hasPlaces ? fold(concerned, pair.resource) : concerned;
      return judgeResidual(pair, askCedarPartially(folded, requestOf(pair)), concerned);
    };
  });

type Policies = Readonly<Record<string, PolicyJson>>;

const fold = (policies: Policies, resource: string): Policies =>
  Object.fromEntries(
    Object.entries(policies).map(([id, json]) => [id, foldResource(json, resource)]),
  );

/** Those that could matter to some pair of this task: parsing the others for each pair costs most. */
const concernedPolicies = ({ open }: CompiledPolicies, question: AdmissionQuestion): Policies => {
  const response = askCedarPartially(open, generalRequest(question));
  const ids = new Set([
    ...response.satisfied,
    ...response.errored,
    ...response.nontrivialResiduals,
  ]);
  return Object.fromEntries(Object.entries(open).filter(([id]) => ids.has(id)));
};

const judgeResidual = (pair: Pair, response: ResidualResponse, policies: Policies): Verdict => ({
  pair,
  ...settle(sortOut(response, policies)),
});

/** Ids by what is left of their policies. */
type Sorted = {
  readonly failed: readonly string[];
  readonly permits: readonly string[];
  readonly forbids: readonly string[];
  /** What hangs on something, and can still come true. */
  readonly open: { readonly permits: readonly string[]; readonly forbids: readonly string[] };
  readonly residuals: Readonly<Record<string, PolicyJson>>;
};

const sortOut = (response: ResidualResponse, policies: Policies): Sorted => {
  const { satisfied, errored, nontrivialResiduals, residuals } = response;
  const pick = (ids: readonly string[], effect: string): readonly string[] =>
    ids.filter((id) => policies[id]?.effect === effect).sort();
  const open = {
    permits: pick(nontrivialResiduals, 'permit').filter((id) => canHold(residuals[id])),
    forbids: pick(nontrivialResiduals, 'forbid'),
  };
  const [permits, forbids] = [pick(satisfied, 'permit'), pick(satisfied, 'forbid')];
  return { failed: errored.toSorted(), permits, forbids, open, residuals };
};

const settle = (sorted: Sorted): Omit<Verdict, 'pair'> => {
  const { failed, permits, forbids, open, residuals } = sorted;
  if (failed.length > 0) return { outcome: 'deny', policies: failed, because: failure(failed) };
  if (forbids.length > 0 || permits.length + open.permits.length === 0) {
    return { outcome: 'deny', policies: forbids, because: explain('deny', forbids) };
  }
  if (permits.length > 0 && open.forbids.length === 0) {
    return { outcome: 'allow', policies: permits, because: explain('allow', permits) };
  }
  const ids = [...open.permits, ...open.forbids].sort();
  const names = unknownsOf(ids.map((id) => residuals[id])).join(', ');
  return { outcome: 'undecided', policies: ids, because: `hangs on ${names} by ${ids.join(', ')}` };
};
