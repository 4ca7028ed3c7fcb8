import type { Recorder } from '../audit/record.ts';
import type { Revocation, TokenAnswer } from '../contract/authority.ts';
import type { Bind } from '../contract/platform.ts';
import type { User } from '../identity/workload.ts';
import type { Decision, RunQuestion } from '../policy/decision.ts';
import type { RunFacts } from '../revocation/matching.ts';
import { renderAnswer } from './answer.ts';
import type { Call, Claimant, VerifyToken } from './caller.ts';
import { eventOf, type Known } from './known.ts';
import type { TradeRun } from './run-order.ts';
import { readTokenRequest } from './token-request.ts';
import { factsOf, orderOf, questionOf, refuseDenied, refuseRevoked } from './wish.ts';

export type IssuingParts = {
  /** Bounded by how many are under way. */
  readonly verify: VerifyToken;
  /** Once the signature holds: the buckets of pod, service account and namespace. */
  readonly admit: (claimant: Claimant) => void;
  /** Verifies the human's ID token and spends it: a second time is a refusal. @throws IdentityError */
  readonly spend: (userToken: string) => Promise<User>;
  /** @throws IssuingError `revocations_unavailable` */
  readonly findRevocation: (run: RunFacts) => Pick<Revocation, 'name' | 'spec'> | undefined;
  /** @throws IssuingError `policy_unavailable`, or `flood_…` where it would cost the claimant too much */
  readonly decide: (question: RunQuestion, claimant: Claimant) => Promise<Decision>;
  readonly bind: Bind['mode'];
  readonly newRun: (podUid: string) => string;
  readonly trade: TradeRun;
  /** @throws AuditError */
  readonly record: Recorder;
  readonly now: () => number;
};

/**
 * One token exchange, from its form to its answer, top to bottom. Whatever stands in the way is
 * thrown; `known` then says how far it came, and of whom.
 *
 * @param known filled as things become known
 * @throws IssuingError, IdentityError, ExchangeError, AuditError
 */
export const issueRun = async (
  { form, peer }: Call,
  known: Known,
  parts: IssuingParts,
): Promise<TokenAnswer> => {
  const { findRevocation, record, now } = parts;
  const { podToken, userToken, details } = readTokenRequest(form);
  known.details = details;
  const { claimant, identify } = await parts.verify(podToken, peer);
  known.claimant = claimant;
  parts.admit(claimant);
  const workload = await identify();
  const user = userToken === undefined ? undefined : await parts.spend(userToken);
  known.user = user;
  const order = orderOf(details, { workload, user, newRun: parts.newRun });
  refuseRevoked(findRevocation(factsOf(order)));
  const question = questionOf(order, { bind: parts.bind, at: now() });
  const decision = await parts.decide(question, claimant);
  known.decision = decision;
  refuseDenied(decision);
  known.order = order;
  await record(eventOf('run.intent', known, now()));
  const traded = await parts.trade(order);
  known.traded = traded;
  // A revocation that came meanwhile reached a sidecar that did not hold this run yet.
  refuseRevoked(findRevocation(factsOf(order)));
  await record(eventOf('run.issued', known, now()));
  return renderAnswer(traded, { ...details, params: order.params }, now());
};
