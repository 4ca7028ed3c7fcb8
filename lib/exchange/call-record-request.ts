import { callHead } from '../audit/call-head.ts';
import { JWT_TYPE, type CallHead } from '../contract/authority-api.ts';
import { parseJson } from '../schema/json.ts';
import { object, rejectValue, type Reader } from '../schema/reader.ts';
import type { Call } from './caller.ts';
import { buildRunMembers } from './exchange-records.ts';
import { readForm, redactedEnum, token } from './form-reader.ts';
import { runId, verifyRunReport, type RunReportContext, type RunReportDeps } from './run-report.ts';
import { ticket } from './ticket-check.ts';
import { newMalformedError } from './token-refusal.ts';

const calls: Reader<CallHead> = (given, path, faults) => {
  const parsed = typeof given === 'string' ? parseJson(given) : undefined;
  return parsed === undefined
    ? rejectValue(faults, { path, expected: 'JSON', value: given })
    : callHead(parsed, path, faults);
};

const FIELDS = {
  run: runId,
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  calls,
  ticket: { optional: ticket },
} as const;

const fields = object(FIELDS);

/**
 * Records the calls of a run that its own sidecar reports, as it reports the end of a run.
 *
 * @param context filled in step by step
 * @throws RequestError, IdentityError, AuditError
 */
export const recordCalls = async (
  { form, peer }: Call,
  context: RunReportContext,
  deps: RunReportDeps,
): Promise<void> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { run, subject_token: podToken, calls: head, ticket: sealed } = request.value;
  const report = { run, podToken, peer, member: 'run', ticket: sealed };
  const caller = await verifyRunReport(report, context, deps);
  const members = buildRunMembers(caller, context.claims);
  await deps.record({ kind: 'run.calls', at: deps.now(), ...members, run, calls: head });
};
