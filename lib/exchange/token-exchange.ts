import type { TokenResponse } from '../contract/authority-api.ts';
import type { User } from '../identity/workload.ts';
import type { IssueCredentials } from './authorized-run.ts';
import type { Call, Caller, IdentifyWorkload, VerifyPodToken } from './caller.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { recordIntent, recordIssued, type RecordDeps } from './exchange-records.ts';
import {
  authorizeRequest,
  checkRevocations,
  evaluatePolicy,
  type PolicyDeps,
  type RevocationDeps,
} from './request-authorization.ts';
import { readTokenRequest } from './token-request.ts';
import { renderTokenResponse } from './token-response.ts';

export type TokenExchangeDeps = PolicyDeps &
  RevocationDeps &
  RecordDeps & {
    /** Limited by the number of concurrent verifications. */
    readonly verifyPodToken: VerifyPodToken;
    /** By pod, service account and namespace. @throws RequestError `rate_limited_…` */
    readonly checkRateLimits: (caller: Caller) => void;
    readonly identifyWorkload: IdentifyWorkload;
    /** Verifies a human's ID token and consumes it: a second use is refused. @throws IdentityError */
    readonly verifyUserToken: (userToken: string) => Promise<User>;
    readonly newRun: (podUid: string) => string;
    readonly issueCredentials: IssueCredentials;
  };

/**
 * One token exchange, from the request's form to the response. Throws at the first step that fails;
 * `context` then says how far the request came, and whose it is.
 *
 * @param context filled in step by step
 * @throws RequestError, IdentityError, ExchangeError, AuditError
 */
export const exchangeToken = async (
  { form, peer }: Call,
  context: ExchangeContext,
  deps: TokenExchangeDeps,
): Promise<TokenResponse> => {
  const { verifyPodToken, checkRateLimits, identifyWorkload, verifyUserToken } = deps;
  const { podToken, userToken, details } = readTokenRequest(form);
  context.details = details;
  const verified = await verifyPodToken(podToken, peer);
  const { caller } = verified;
  context.caller = caller;
  checkRateLimits(caller);
  const workload = await identifyWorkload(verified);
  const user = userToken === undefined ? undefined : await verifyUserToken(userToken);
  context.user = user;
  const run = authorizeRequest(details, { workload, user, newRun: deps.newRun });
  checkRevocations(run, deps);
  await evaluatePolicy(run, { caller, context }, deps);
  context.authorizedRun = run;
  await recordIntent(context, deps);
  context.issued = await deps.issueCredentials(run);
  // The event stream sends a revocation once. The sidecar ignored it if it did not hold this run yet.
  checkRevocations(run, deps);
  await recordIssued(context, deps);
  return renderTokenResponse(context.issued, { ...details, params: run.params }, deps.now());
};
