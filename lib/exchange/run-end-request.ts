import {
  JWT_TYPE,
  RELEASE,
  RELEASE_ENDS,
  RUN_ENDS,
  type ReleaseEnd,
  type RunEnd,
} from '../contract/authority-api.ts';
import type { TicketClaims } from '../grant/tickets.ts';
import { object, stringEnum } from '../schema/reader.ts';
import type { Call, Caller } from './caller.ts';
import { buildRunMembers } from './exchange-records.ts';
import { redactedEnum, redactedText, readForm, token } from './form-reader.ts';
import { runId, verifyRunReport, type RunReportContext, type RunReportDeps } from './run-report.ts';
import { ticket } from './ticket-check.ts';
import { newMalformedError } from './token-refusal.ts';

export type RunEndDeps = RunReportDeps & {
  /**
   * Denies the session at the cloud if its role opts in, and ends what the run delegated.
   *
   * @returns false if too many ends were reported, so that the deadline ends it
   * @throws IdentityError
   */
  readonly reportRunEnd: (ended: EndedRun) => Promise<boolean>;
  /**
   * Opens a sealed release. The function that it returns revokes the secret later; it throws RequestError
   * `secret_unavailable` while too many are being revoked.
   *
   * @returns undefined for a text that was not sealed for this run
   */
  readonly readRelease: (
    sealed: string,
    holder: {
      readonly run: string;
      readonly caller: Caller;
      /** Of the run's ticket, for a record. */
      readonly claims?: TicketClaims | undefined;
    },
  ) => (() => void) | undefined;
};

export type EndedRun = {
  readonly run: string;
  readonly end: RunEnd | 'revoked';
  readonly caller: Caller;
  /** Other runs end with it. */
  readonly hasDelegated: boolean;
};

const FIELDS = {
  token: runId,
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  reason: stringEnum([...RUN_ENDS, ...RELEASE_ENDS]),
  release: { optional: redactedText(RELEASE, 'a release of a token response') },
  ticket: { optional: ticket },
  delegated: { optional: stringEnum(['true']) },
} as const;

const fields = object(FIELDS);

/**
 * Ends a run at the request of its own sidecar (RFC 7009; the run takes the place of the token), and
 * revokes its secret at the source.
 *
 * @param context filled in step by step
 * @throws RequestError, IdentityError, AuditError
 */
export const endRun = async (
  { form, peer }: Call,
  context: RunReportContext,
  deps: RunEndDeps,
): Promise<{ readonly end: RunEnd | ReleaseEnd } & Pick<EndedRun, 'run' | 'caller'>> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { token: run, subject_token: podToken, reason: end, release: sealed } = request.value;
  const { ticket: sealedTicket } = request.value;
  const report = { run, podToken, peer, member: 'token', ticket: sealedTicket };
  const caller = await verifyRunReport(report, context, deps);
  const { claims } = context;
  const hasDelegated = request.value.delegated === 'true';
  const published = isRunEnd(end) || (end === 'revoked' && hasDelegated) ? end : undefined;
  const release =
    sealed === undefined ? undefined : deps.readRelease(sealed, { run, caller, claims });
  if (release === undefined && (sealed !== undefined || published === undefined)) {
    const expected = 'what the authority sealed for this run';
    const fault = { path: 'release', expected, got: 'something else (not shown)' };
    throw newMalformedError('request_malformed', [fault]);
  }
  const members = buildRunMembers(caller, claims);
  await deps.record({ kind: 'run.ended', at: deps.now(), ...members, run, reason: end });
  if (published !== undefined) {
    await deps.reportRunEnd({ run, end: published, caller, hasDelegated });
  }
  // Last: the sidecar repeats a report that failed, and a secret is revoked once.
  release?.();
  return { run, end, caller };
};

const isRunEnd = (end: RunEnd | ReleaseEnd): end is RunEnd =>
  (RUN_ENDS as readonly string[]).includes(end);
