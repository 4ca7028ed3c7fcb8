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

const judgeResidual = (pair: Pair, response: ResidualResponse, policies: Policies): Verdict => {
  const { satisfied, errored, nontrivialResiduals, residuals } = response;
  const effectIs = (effect: string) => (id: string) => policies[id]?.effect === effect;
  const verdict = (
    outcome: Verdict['outcome'],
    ids: readonly string[],
    because: string,
  ): Verdict => ({
    pair,
    outcome,
    policies: ids,
    because,
  });
  if (errored.length > 0) return verdict('deny', errored.toSorted(), failure(errored.toSorted()));
  const forbids = satisfied.filter(effectIs('forbid')).sort();
  if (forbids.length > 0) return verdict('deny', forbids, explain('deny', forbids));
  const open = nontrivialResiduals
    .filter((id) => effectIs('forbid')(id) || canHold(residuals[id]))
    .sort();
  const permits = satisfied.filter(effectIs('permit')).sort();
  if (permits.length === 0 && !open.some(effectIs('permit'))) {
    return verdict('deny', [], explain('deny', []));
  }
  if (permits.length > 0 && !open.some(effectIs('forbid'))) {
    return verdict('allow', permits, explain('allow', permits));
  }
  const names = unknownsOf(open.map((id) => residuals[id]));
  return verdict('undecided', open, `hangs on ${names.join(', ')} by ${open.join(', ')}`);
};
