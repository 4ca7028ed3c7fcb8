import { JWT_TYPE, RUN_ENDS, type RunEnd } from '../contract/authority-api.ts';
import { object, stringEnum } from '../schema/reader.ts';
import type { Call, Caller } from './caller.ts';
import { buildAuditActor } from './exchange-records.ts';
import { redactedEnum, readForm, token } from './form-reader.ts';
import { runId, verifyRunReport, type RunReportContext, type RunReportDeps } from './run-report.ts';
import { newMalformedError } from './token-refusal.ts';

export type RunEndDeps = RunReportDeps & {
  /** Denies the session at the cloud if its role opts in. @throws IdentityError */
  readonly reportRunEnd: (ended: EndedRun) => Promise<void>;
};

export type EndedRun = { readonly run: string; readonly end: RunEnd; readonly caller: Caller };

const FIELDS = {
  token: runId,
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  reason: stringEnum(RUN_ENDS),
} as const;

const fields = object(FIELDS);

/**
 * Ends a run at the request of its own sidecar (RFC 7009; the run takes the place of the token).
 *
 * @param context filled in step by step
 * @throws RequestError, IdentityError, AuditError
 */
export const endRun = async (
  { form, peer }: Call,
  context: RunReportContext,
  deps: RunEndDeps,
): Promise<EndedRun> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { token: run, subject_token: podToken, reason: end } = request.value;
  const caller = await verifyRunReport({ run, podToken, peer, member: 'token' }, context, deps);
  const actor = buildAuditActor(caller);
  await deps.record({ kind: 'run.ended', at: deps.now(), actor, run, reason: end });
  const ended = { run, end, caller };
  await deps.reportRunEnd(ended);
  return ended;
};
