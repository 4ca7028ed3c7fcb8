import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import type { Caller } from './caller.ts';
import { buildAuditActor } from './exchange-context.ts';
import { toRefusal } from './token-refusal.ts';

/** What was asked for that is no token exchange, and what is known of it. */
export type RefusedCall = {
  readonly kind: Extract<AuditEvent['kind'], 'run.end_refused' | 'stream.refused'>;
  /** Absent: no token held. */
  readonly caller?: Caller | undefined;
  readonly run?: string | undefined;
};

/**
 * Puts a refusal on record before anybody hears of it. What passes by itself is no refusal, and a bug
 * has its line in the log.
 *
 * @param parts.recordRefusal bounded: a flood of refusals is not recorded one by one
 * @returns what to answer for: the error, or what kept it from being recorded; never rejects
 */
export const recordRefusedCall = async (
  error: unknown,
  { kind, caller, run }: RefusedCall,
  parts: { readonly recordRefusal: Recorder; readonly now: () => number },
): Promise<unknown> => {
  const refusal = toRefusal(error);
  if (refusal === undefined || refusal.row.status >= 500) return error;
  const { code: reason, message } = refusal;
  const members = {
    ...(caller !== undefined && { actor: buildAuditActor(caller) }),
    ...(run !== undefined && { run }),
  };
  return parts
    .recordRefusal({ kind, at: parts.now(), ...members, reason, message })
    .then(() => error)
    .catch((failure: unknown) => failure);
};
