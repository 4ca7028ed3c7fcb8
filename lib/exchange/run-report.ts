import { string } from '../schema/reader.ts';
import type { TicketClaims, Tickets } from '../grant/tickets.ts';
import type { Call, Caller, VerifyPodToken } from './caller.ts';
import type { RecordDeps, RefusedCall } from './exchange-records.ts';
import { RequestError } from './token-refusal.ts';

/** What every report of a sidecar on one of its runs needs. */
export type RunReportDeps = RecordDeps & {
  readonly verifyPodToken: VerifyPodToken;
  readonly checkRateLimits: (caller: Caller) => void;
  /** Whether the run was issued to the pod with this UID. */
  readonly belongsTo: (run: string, podUid: string) => boolean;
  readonly readTicket: Tickets['open'];
};

/** What is known about a report, at whichever step it ends. */
export type RunReportContext = {
  caller?: Caller | undefined;
  run?: string | undefined;
  /** What the ticket says about the run. */
  claims?: TicketClaims | undefined;
  decision?: RefusedCall['decision'];
};

/** Reads the ID of a run. */
export const runId = string({ expected: 'a run ID', pattern: /^[A-Za-z0-9_-]{1,64}$/ });

/**
 * Verifies that a report comes from the run's own sidecar. The pod may be terminating or deleted, so the
 * token's signature and the proof in the run ID suffice.
 *
 * @param report.member member of the form that names the run, for the refusal
 * @param report.ticket of the run, for its record: another one, and none, change nothing else
 * @param context filled in step by step
 * @throws RequestError, IdentityError
 */
export const verifyRunReport = async (
  {
    run,
    podToken,
    peer,
    member,
    ticket,
  }: {
    run: string;
    podToken: string;
    member: string;
    ticket: string | undefined;
  } & Pick<Call, 'peer'>,
  context: RunReportContext,
  deps: RunReportDeps,
): Promise<Caller> => {
  context.run = run;
  const { caller } = await deps.verifyPodToken(podToken, peer);
  context.caller = caller;
  deps.checkRateLimits(caller);
  if (!deps.belongsTo(run, caller.pod.uid)) {
    throw new RequestError('run_not_owned', `${member}: expected a run of pod ${caller.pod.name}`);
  }
  context.claims = findClaims(ticket, { run, caller }, deps);
  return caller;
};

/** Sidecars of an older version present no ticket; the key of tickets may have changed. */
const findClaims = (
  ticket: string | undefined,
  { run, caller }: { readonly run: string; readonly caller: Caller },
  { readTicket }: Pick<RunReportDeps, 'readTicket'>,
): TicketClaims | undefined => {
  const opened = ticket === undefined ? undefined : readTicket(ticket);
  if (opened?.ok !== true) return undefined;
  const { run: named, podUid } = opened.value;
  return named === run && podUid === caller.pod.uid ? opened.value : undefined;
};
