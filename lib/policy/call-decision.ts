import { createCallRequestBuilder, type CallFacts, type CallPair } from './cedar-requests.ts';
import { evaluateCedar, evaluateCedarPartially, type CedarRequest } from './cedar.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import type { PolicyDecision, RunPolicyRequest } from './decision.ts';

/** A call of a run, as policy sees it. */
export type PolicyCall = CallFacts & {
  /** What the call needs; at least one. */
  readonly pairs: readonly CallPair[];
};

/**
 * Decides on one call of a run that policy allowed. Every call is permitted, unless a policy about calls
 * forbids it. A forbid holds if it could hold for some value of what is unknown, and if it cannot be
 * evaluated.
 *
 * @throws when Cedar itself fails: there is no decision then
 */
export const evaluateCallPolicy = (
  policies: CompiledPolicies,
  question: RunPolicyRequest,
  call: PolicyCall,
): PolicyDecision => {
  const { version, blockers } = policies;
  if (blockers.length > 0) return { outcome: 'deny', policies: [], reasons: blockers, version };
  const buildRequest = createCallRequestBuilder(question, call);
  const found = call.pairs.map((pair) => ({
    pair,
    ids: listDenials(policies, buildRequest(pair), isKnown(call, pair)),
  }));
  const denied = found.filter(({ ids }) => ids.length > 0);
  return {
    outcome: denied.length > 0 ? 'deny' : 'allow',
    policies: [...new Set(denied.flatMap(({ ids }) => ids))].sort(),
    reasons: denied.map(
      ({ pair: { action }, ids }) => `${action.name}: forbidden by ${ids.join(', ')}`,
    ),
    version,
  };
};

const isKnown = (call: CallFacts, { action, resource }: CallPair): boolean =>
  [call.bytes, call.arguments, action.accessLevels, resource].every((each) => each !== undefined);

const listDenials = (
  { version, texts, callForbids }: CompiledPolicies,
  request: CedarRequest,
  isComplete: boolean,
): readonly string[] => {
  const ids = Object.keys(callForbids);
  if (ids.length === 0) return [];
  if (!isComplete) {
    const { satisfied, errored, nontrivialResiduals } = evaluateCedarPartially(
      callForbids,
      request,
    );
    return [...satisfied, ...errored, ...nontrivialResiduals];
  }
  const forbids = Object.fromEntries(ids.map((id) => [id, texts[id] ?? '']));
  const { reason, failed } = evaluateCedar(
    { name: 'calls', key: version, texts: forbids },
    request,
  );
  return [...reason, ...failed];
};
