import { MAX_GATES, type Gate } from '../contract/authority-api.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { patternsOverlap } from '../schema/wildcard-patterns.ts';
import type { Pair } from '../task/pairs.ts';
import { bindResource } from '../task/resource.ts';
import {
  buildAdmissionCallRequest,
  buildGeneralCallRequest,
  createGateRequestBuilder,
} from './cedar-requests.ts';
import { evaluateCedarPartially } from './cedar.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import type { AdmissionPolicyRequest, RunPolicyRequest } from './decision.ts';
import { listPairs, type EvaluationDeps } from './pair-decision.ts';
import { computeExtent, type Extent } from './residual-extent.ts';

type Forbids = CompiledPolicies['callForbids'];

/** Bytes of all gates of a run in JSON: its answer also holds a ticket and credentials. */
const MAX_GATES_LENGTH = 16 * 1024;

/** One gate that asks about every call: always as strict as any others. */
const ASK_ALWAYS: Gate = { gate: 'ask', actions: ['*'], policies: [] };

/**
 * Computes what the forbids about calls can refuse in a run, so that the gateway decides about most calls
 * without the authority. A gate denies only where full evaluation denies whatever else is unknown; in any
 * doubt it asks. Without a gate, full evaluation allows.
 *
 * @param question of a run that policy allowed
 * @throws when the files of the catalog cannot be read, or when Cedar itself fails
 */
export const computeGates = async (
  { policies, loadCatalog }: Omit<EvaluationDeps, 'admit'>,
  question: RunPolicyRequest,
): Promise<readonly Gate[]> => {
  const forbids = selectRelevantForbids(policies.callForbids, question);
  if (Object.keys(forbids).length === 0) return [];
  const pairs = await listPairs(question, loadCatalog);
  if (!pairs.ok) throw new Error(pairs.faults.map(formatFieldError).join('; '));
  const buildRequest = createGateRequestBuilder(question);
  const byAction = Map.groupBy(pairs.value, ({ action }) => action.name);
  const found = [...byAction.values()].flatMap((ofAction) => {
    const resources = ofAction.flatMap(({ resource }) =>
      listReachedResources(bindResource(resource, question.params)),
    );
    return ofAction
      .slice(0, 1)
      .flatMap(({ action }: Pair) =>
        Object.entries(
          evaluateForbids(forbids, buildRequest(toGatedAction(action, question))),
        ).flatMap(([id, extent]) => toGate(action.name, id, narrow(extent, resources))),
      );
  });
  return limitGates(mergeGates(found.toSorted(compareGates)));
};

/** The forbids that can concern any call of the run. Nothing is evaluated if no policy is about calls. */
const selectRelevantForbids = (forbids: Forbids, question: RunPolicyRequest): Forbids => {
  if (Object.keys(forbids).length === 0) return {};
  const extents = evaluateForbids(forbids, buildGeneralCallRequest(question));
  return Object.fromEntries(
    Object.entries(forbids).filter(([id]) => extents[id]?.patterns.length !== 0),
  );
};

/**
 * Lists the policies about calls that can concern a run of a declared task: nothing can enforce them with
 * `delivery: vend`.
 *
 * @throws when Cedar itself fails
 */
export const listCallPolicies = (
  { callForbids }: Pick<CompiledPolicies, 'callForbids'>,
  question: AdmissionPolicyRequest,
): readonly string[] => {
  if (Object.keys(callForbids).length === 0) return [];
  const extents = evaluateForbids(callForbids, buildAdmissionCallRequest(question));
  return Object.keys(extents)
    .filter((id) => extents[id]?.patterns.length !== 0)
    .sort();
};

const evaluateForbids = (
  forbids: Forbids,
  request: Parameters<typeof evaluateCedarPartially>[1],
): Readonly<Record<string, Extent>> => {
  const { satisfied, errored, nontrivialResiduals, residuals } = evaluateCedarPartially(
    forbids,
    request,
  );
  return Object.fromEntries([
    ...satisfied.map((id) => [id, { patterns: 'all', isExact: true }] as const),
    ...errored.map((id) => [id, { patterns: 'all', isExact: false }] as const),
    ...nontrivialResiduals.map((id) => {
      const residual = residuals[id];
      const unread: Extent = { patterns: 'all', isExact: false };
      return [id, residual === undefined ? unread : computeExtent(residual)] as const;
    }),
  ]);
};

/** At an Upstream the level depends on the resource of the call, which is unknown. */
const toGatedAction = (
  action: Pair['action'],
  { task }: RunPolicyRequest,
): Parameters<ReturnType<typeof createGateRequestBuilder>>[0] =>
  task.provider === 'aws' ? action : { name: action.name };

/** A Git repository means all its refs, and a push to a ref first needs its repository. */
const listReachedResources = (resource: string): readonly string[] => {
  if (!resource.startsWith('git://')) return [resource];
  const [repository = resource] = resource.split('#', 1);
  return repository === resource ? [resource, `${resource}#*`] : [repository, resource];
};

/** Drops what no call within the task reaches. */
const narrow = ({ patterns, isExact }: Extent, resources: readonly string[]): Extent => ({
  isExact,
  patterns:
    patterns === 'all'
      ? patterns
      : patterns.filter((pattern) => resources.some((one) => patternsOverlap(one, pattern))),
});

const toGate = (action: string, policy: string, { patterns, isExact }: Extent): readonly Gate[] =>
  patterns.length === 0
    ? []
    : [
        {
          gate: isExact ? 'deny' : 'ask',
          actions: [action],
          ...(patterns !== 'all' && { like: [...new Set(patterns)].sort() }),
          policies: [policy],
        },
      ];

/** Cedar returns policies in any order. */
const compareGates = (one: Gate, other: Gate): number =>
  JSON.stringify([one.policies, one.actions]) < JSON.stringify([other.policies, other.actions])
    ? -1
    : 1;

/** Gates of one policy that differ only in their actions become one. */
const mergeGates = (gates: readonly Gate[]): readonly Gate[] =>
  [...Map.groupBy(gates, ({ gate, like, policies }) => JSON.stringify([gate, like, policies]))].map(
    ([, [first = ASK_ALWAYS, ...others]]) => ({
      ...first,
      actions: [first, ...others].flatMap(({ actions }) => actions),
    }),
  );

const limitGates = (gates: readonly Gate[]): readonly Gate[] =>
  gates.length > MAX_GATES || Buffer.byteLength(JSON.stringify(gates)) > MAX_GATES_LENGTH
    ? [ASK_ALWAYS]
    : gates;
