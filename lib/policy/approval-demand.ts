import { createHash } from 'node:crypto';

import type { ApprovalGroup, AskingPolicy } from '../contract/approvals.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import type { PolicyDecision, RunPolicyRequest } from './decision.ts';
import { evaluateCallPolicy, type PolicyCall } from './call-decision.ts';
import type { EvaluationDeps } from './pair-decision.ts';
import { evaluateRunPolicy } from './run-decision.ts';

/** What people have to decide, so that a denied run is allowed. */
export type ApprovalDemand = {
  readonly groups: readonly ApprovalGroup[];
  readonly policies: readonly AskingPolicy[];
  /** SHA-256, hex, of the text of a policy of the same set; undefined: there is none. */
  readonly hashPolicy: (id: string) => string | undefined;
};

/** A decision, and with a denial what people could change about it, if anything. */
export type AskedDecision = {
  readonly decision: PolicyDecision;
  readonly demand?: ApprovalDemand;
};

/**
 * Decides on one run. A denial by policies that ask people is evaluated again as if their groups had
 * approved: only if that allows the run is anyone asked.
 *
 * @throws as {@link evaluateRunPolicy}
 */
export const evaluateRunAsking = (
  deps: EvaluationDeps,
  question: RunPolicyRequest,
): Promise<AskedDecision> =>
  evaluateAsking(deps.policies, question, (asked) => evaluateRunPolicy(deps, asked));

/**
 * Decides on one call, as {@link evaluateRunAsking} on a run.
 *
 * @throws as {@link evaluateCallPolicy}
 */
export const evaluateCallAsking = (
  policies: CompiledPolicies,
  question: RunPolicyRequest,
  call: PolicyCall,
): Promise<AskedDecision> =>
  evaluateAsking(policies, question, (asked) => evaluateCallPolicy(policies, asked, call));

const evaluateAsking = async (
  policies: CompiledPolicies,
  question: RunPolicyRequest,
  evaluate: (question: RunPolicyRequest) => PolicyDecision | Promise<PolicyDecision>,
): Promise<AskedDecision> => {
  const decision = await evaluate(question);
  const demand = decision.outcome === 'deny' ? findDemand(policies, decision) : undefined;
  if (demand === undefined) return { decision };
  const approvals = demand.groups.map(({ name }) => name);
  const assumed = await evaluate({ ...question, approvals });
  return assumed.outcome === 'allow' ? { decision, demand } : { decision };
};

const findDemand = (
  policies: CompiledPolicies,
  { policies: deciding }: PolicyDecision,
): ApprovalDemand | undefined => {
  const asking = deciding.flatMap((id) => {
    const group = policies.approvals[id];
    return group === undefined ? [] : [{ id, group }];
  });
  if (asking.length === 0) return undefined;
  const hashPolicy = (id: string): string | undefined => hashText(policies.texts, id);
  return {
    groups: mergeGroups(asking.map(({ group }) => group)),
    policies: asking.map(({ id }) => ({ id, sha256: hashPolicy(id) ?? '' })),
    hashPolicy,
  };
};

const hashText = (texts: CompiledPolicies['texts'], id: string): string | undefined => {
  const text = Object.hasOwn(texts, id) ? texts[id] : undefined;
  return text === undefined ? undefined : createHash('sha256').update(text).digest('hex');
};

/** Policies may ask the same group for different numbers of people: the largest counts. */
const mergeGroups = (groups: readonly ApprovalGroup[]): readonly ApprovalGroup[] => {
  const quorums = new Map<string, number>();
  for (const { name, quorum } of groups) {
    quorums.set(name, Math.max(quorum, quorums.get(name) ?? 0));
  }
  return Array.from(quorums, ([name, quorum]) => ({ name, quorum })).sort((one, other) =>
    one.name < other.name ? -1 : 1,
  );
};
