import { JWT_TYPE, type RunDecision } from '../contract/authority-api.ts';
import { object } from '../schema/reader.ts';
import type { Call } from './caller.ts';
import { readForm, redactedEnum, token } from './form-reader.ts';
import type { PolicyDeps } from './request-authorization.ts';
import { checkEnforceable } from './run-oversight.ts';
import type { RunReportContext } from './run-report.ts';
import {
  ticket,
  toTicketPolicyRequest,
  verifyTicket,
  type TicketCheckDeps,
} from './ticket-check.ts';
import { newMalformedError, RequestError } from './token-refusal.ts';

/** `decideRun` throws RequestError `policy_unavailable` also while a policy is invalid: that decides nothing. */
export type RedecisionDeps = TicketCheckDeps & PolicyDeps;

const FIELDS = {
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  ticket,
} as const;

const fields = object(FIELDS);

/**
 * Decides again about a run, by the policies of now. A refusal ends the run at its sidecar.
 *
 * @param context filled in step by step
 * @throws RequestError `policy_denied`, `call_needs_sign`, `policy_unavailable`, and what `verifyTicket` throws
 */
export const redecideRun = async (
  { form, peer }: Call,
  context: RunReportContext,
  deps: RedecisionDeps,
): Promise<RunDecision> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { subject_token: podToken, ticket: sealed } = request.value;
  const { caller, claims } = await verifyTicket({ podToken, ticket: sealed, peer }, context, deps);
  const question = toTicketPolicyRequest(claims, deps);
  const { decision } = await deps.decideRun(question, caller);
  context.decision = decision;
  const { outcome, policies, reasons, version } = decision;
  if (outcome !== 'allow') {
    const message = reasons.length > 0 ? reasons.join('\n') : 'no policy permits it';
    throw new RequestError('policy_denied', message, { policies });
  }
  const gates = await deps.computeGates(question);
  checkEnforceable(gates, claims.task);
  return { gates, policy_version: version };
};
