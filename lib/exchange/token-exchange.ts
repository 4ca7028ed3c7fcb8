import { randomUUID } from 'node:crypto';

import type { TokenResponse } from '../contract/authority-api.ts';
import type { User } from '../identity/workload.ts';
import type { AuthorizedRun, IssueCredentials, IssuedCredentials } from './authorized-run.ts';
import type { Call, Caller, IdentifyWorkload, VerifyPodToken } from './caller.ts';
import {
  buildChain,
  narrowRun,
  readDelegation,
  useDelegation,
  type DelegatedRunDeps,
} from './delegated-run.ts';
import { refuseCanaryTask, type Canaries } from './canaries.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { recordIntent, recordIssued, type RecordDeps } from './exchange-records.ts';
import {
  addUpstream,
  authorizeRequest,
  checkRevocations,
  evaluatePolicy,
  type PolicyDeps,
} from './request-authorization.ts';
import { planOversight, type OversightDeps } from './run-oversight.ts';
import { readTokenRequest, type TokenRequest } from './token-request.ts';
import { RequestError } from './token-refusal.ts';
import { renderDelegation, renderTokenResponse } from './token-response.ts';

export type TokenExchangeDeps = PolicyDeps &
  OversightDeps &
  DelegatedRunDeps &
  RecordDeps & {
    /** Limited by the number of concurrent verifications. */
    readonly verifyPodToken: VerifyPodToken;
    /** By pod, service account and namespace. @throws RequestError `rate_limited_…` */
    readonly checkRateLimits: (caller: Caller) => void;
    readonly identifyWorkload: IdentifyWorkload;
    /** Verifies a human's ID token and consumes it: a second use is refused. @throws IdentityError */
    readonly verifyUserToken: (userToken: string) => Promise<User>;
    readonly canaries: Canaries;
    readonly newRun: (podUid: string) => string;
    readonly issueCredentials: IssueCredentials;
    /** Revokes what was issued and is not returned. Never throws. */
    readonly discardIssued: (issued: IssuedCredentials, caller: Caller) => void;
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
  const { verifyPodToken, checkRateLimits, identifyWorkload } = deps;
  const request = readTokenRequest(form);
  const { details, attempt = randomUUID(), capabilities } = request;
  context.details = details;
  context.attempt = attempt;
  context.isDelegated = request.delegation !== undefined;
  const verified = await verifyPodToken(request.podToken, peer);
  const { caller } = verified;
  context.caller = caller;
  checkRateLimits(caller);
  const workload = await identifyWorkload(verified);
  const asked = workload.admitted.tasks.find(({ name }) => name === details.task);
  if (asked !== undefined) {
    const readChain = () => readCanaryChain(request.delegation, { details, workload }, deps);
    await refuseCanaryTask(asked, { caller, ...details, readChain }, deps);
  }
  const delegation = readDelegation(request.delegation, { details, workload }, deps);
  const user = delegation?.parent.user ?? (await identifyUser(request, deps));
  context.user = user;
  const declared = authorizeRequest(details, { workload, user, newRun: deps.newRun });
  const requested = narrowRun(declared, delegation, deps);
  checkRevocations(requested, deps);
  const run = addUpstream(requested, deps);
  const useApproval = await evaluatePolicy(run, { caller, context }, deps);
  context.authorizedRun = run;
  context.oversight = await planOversight(run, { capabilities, context }, deps);
  const { decision } = context;
  await useDelegation(run, { handle: request.delegation, holder: attempt, decision }, deps);
  // An approval is not used up by a run that cannot be recorded.
  await recordIntent(context, deps);
  await useApproval();
  const issued = await deps.issueCredentials(run);
  context.issued = issued;
  try {
    // The event stream sends a revocation once. The sidecar ignored it if it did not hold this run yet.
    checkRevocations(run, deps);
    await recordIssued(context, deps);
  } catch (error) {
    deps.discardIssued(issued, caller);
    throw error;
  }
  return renderTokenResponse(
    issued,
    {
      granted: { ...details, params: run.params },
      isApproved: context.approvals !== undefined,
      ...(run.task.provider === 'http' && { fixedKey: workload.isKeyFixed ?? false }),
      ...context.oversight,
      ticket: context.oversight.sealIssued(issued.deadline),
      ...renderDelegation(run),
    },
    deps.now(),
  );
};

/** The runs that delegated a canary to this pod; none if the handle would not be accepted. */
const readCanaryChain = (
  ...given: Parameters<typeof readDelegation>
): ReturnType<typeof buildChain> => {
  try {
    const delegation = readDelegation(...given);
    return delegation === undefined ? [] : buildChain(delegation.parent);
  } catch (error) {
    if (error instanceof RequestError) return [];
    throw error;
  }
};

/** A delegated run acts for the same human as the run above it. */
const identifyUser = async (
  { userToken }: Pick<TokenRequest, 'userToken'>,
  { verifyUserToken }: Pick<TokenExchangeDeps, 'verifyUserToken'>,
): Promise<AuthorizedRun['user']> =>
  userToken === undefined ? undefined : verifyUserToken(userToken);
