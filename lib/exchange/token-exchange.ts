import type { Recorder } from '../audit/audit-event.ts';
import type { Revocation, TokenResponse } from '../contract/authority-api.ts';
import type { SourceRestriction } from '../contract/platform.ts';
import type { User } from '../identity/workload.ts';
import type { PolicyDecision, RunPolicyRequest } from '../policy/decision.ts';
import type { RevocationTarget } from '../revocation/matching.ts';
import { renderTokenResponse } from './token-response.ts';
import type { Call, Caller, VerifyPodToken } from './caller.ts';
import { buildAuditEvent, type ExchangeContext } from './exchange-context.ts';
import type { IssueCredentials } from './authorized-run.ts';
import { readTokenRequest } from './token-request.ts';
import {
  toRevocationTarget,
  authorizeRequest,
  toPolicyRequest,
  checkPolicyDecision,
  checkRevocations,
} from './request-authorization.ts';

export type TokenExchangeDeps = {
  /** Bounded by how many are under way. */
  readonly verifyPodToken: VerifyPodToken;
  /** Once the signature holds: the buckets of pod, service account and namespace. */
  readonly checkRateLimits: (claimant: Caller) => void;
  /** Verifies the human's ID token and spends it: a second time is a refusal. @throws IdentityError */
  readonly verifyUserToken: (userToken: string) => Promise<User>;
  /** @throws IssuingError `revocations_unavailable` */
  readonly findRevocation: (run: RevocationTarget) => Pick<Revocation, 'name' | 'spec'> | undefined;
  /** @throws IssuingError `policy_unavailable`, or `rate_limited_…` where it would cost the claimant too much */
  readonly evaluatePolicy: (
    question: RunPolicyRequest,
    claimant: Caller,
  ) => Promise<PolicyDecision>;
  readonly bind: SourceRestriction['mode'];
  readonly newRun: (podUid: string) => string;
  readonly issueCredentials: IssueCredentials;
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
export const exchangeToken = async (
  { form, peer }: Call,
  known: ExchangeContext,
  parts: TokenExchangeDeps,
): Promise<TokenResponse> => {
  const { findRevocation, record, now } = parts;
  const { podToken, userToken, details } = readTokenRequest(form);
  known.details = details;
  const { caller, identifyWorkload } = await parts.verifyPodToken(podToken, peer);
  known.caller = caller;
  parts.checkRateLimits(caller);
  const workload = await identifyWorkload();
  const user = userToken === undefined ? undefined : await parts.verifyUserToken(userToken);
  known.user = user;
  const authorizedRun = authorizeRequest(details, { workload, user, newRun: parts.newRun });
  checkRevocations(findRevocation(toRevocationTarget(authorizedRun)));
  const policyRequest = toPolicyRequest(authorizedRun, { bind: parts.bind, at: now() });
  const decision = await parts.evaluatePolicy(policyRequest, caller);
  known.decision = decision;
  checkPolicyDecision(decision);
  known.authorizedRun = authorizedRun;
  await record(buildAuditEvent('run.intent', known, now()));
  const issued = await parts.issueCredentials(authorizedRun);
  known.issued = issued;
  // A revocation that came meanwhile reached a sidecar that did not hold this run yet.
  checkRevocations(findRevocation(toRevocationTarget(authorizedRun)));
  await record(buildAuditEvent('run.issued', known, now()));
  return renderTokenResponse(issued, { ...details, params: authorizedRun.params }, now());
};
