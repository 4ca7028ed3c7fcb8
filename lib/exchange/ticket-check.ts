import type { TicketClaims, Tickets } from '../grant/tickets.ts';
import { string } from '../schema/reader.ts';
import type { Call, Caller, VerifiedToken, VerifyPodToken } from './caller.ts';
import { normalizePeerAddress } from './rate-limits.ts';
import {
  buildPolicyParent,
  refuseRevoked,
  toPolicyRequest,
  type PolicyRequestDeps,
  type RevocationDeps,
} from './request-authorization.ts';
import type { RunReportContext } from './run-report.ts';
import { newMalformedError, RequestError } from './token-refusal.ts';

export type TicketCheckDeps = RevocationDeps & {
  readonly verifyPodToken: VerifyPodToken;
  readonly checkCallRate: (caller: Caller) => void;
  readonly readTicket: Tickets['open'];
  /** Whether a request must come from an address of the pod. */
  readonly comparesPeer: boolean;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

/** Reads a ticket. An error never shows the value. */
export const ticket = string({ expected: 'a ticket of at most 16 KiB', maxLength: 16 * 1024 });

/** The run that a request is about, as its ticket states it. */
export type TicketedRun = {
  readonly caller: Caller;
  readonly claims: TicketClaims;
  readonly verified: VerifiedToken;
};

/**
 * Verifies that a request about a run comes from the run's own sidecar, and that the run was not revoked.
 * It asks nothing of the API server.
 *
 * @param context filled in step by step
 * @throws RequestError `ticket_invalid`, `ticket_foreign`, `revoked`, …; IdentityError
 */
export const verifyTicket = async (
  { podToken, ticket: sealed, peer }: { podToken: string; ticket: string } & Pick<Call, 'peer'>,
  context: RunReportContext,
  deps: TicketCheckDeps,
): Promise<TicketedRun> => {
  const verified = await deps.verifyPodToken(podToken, peer);
  const { caller } = verified;
  context.caller = caller;
  deps.checkCallRate(caller);
  const opened = deps.readTicket(sealed);
  if (!opened.ok) throw newMalformedError('ticket_invalid', opened.faults);
  const claims = opened.value;
  if (claims.podUid !== caller.pod.uid) {
    throw new RequestError('ticket_foreign', `ticket: expected one of pod ${caller.pod.name}`);
  }
  context.run = claims.run;
  context.claims = claims;
  const address = normalizePeerAddress(peer);
  if (deps.comparesPeer && !claims.podIps.map(normalizePeerAddress).includes(address)) {
    throw new RequestError('ticket_foreign', `expected a request from pod ${caller.pod.name}`);
  }
  if (claims.deadline <= deps.now()) {
    throw new RequestError('ticket_invalid', 'ticket: expected one of a run that has not ended');
  }
  checkTicketRevocations(claims, deps);
  return { caller, claims, verified };
};

/** The run itself, and every run that it was delegated from. */
const checkTicketRevocations = (claims: TicketClaims, deps: RevocationDeps): void => {
  const { namespace, serviceAccount, pod, podUid, task, run, chain } = claims;
  const own = { namespace, serviceAccount, pod, podUid, task: task.name, run };
  refuseRevoked({ ...own, ancestors: chain }, deps);
};

/** What policy evaluates of a ticket's run. */
export const toTicketPolicyRequest = (claims: TicketClaims, deps: PolicyRequestDeps) => {
  const { namespace, namespaceLabels, serviceAccount, params, approvals, user, chain } = claims;
  const task = claims.allow === undefined ? claims.task : { ...claims.task, allow: claims.allow };
  const principal = { namespace, namespaceLabels, serviceAccount };
  const subject = {
    principal,
    task,
    params,
    approvals,
    ...(task.provider !== 'aws' && { upstream: deps.findUpstream(task) }),
    ...(user !== undefined && { user }),
    ...buildPolicyParent(chain),
  };
  return toPolicyRequest(subject, deps);
};
