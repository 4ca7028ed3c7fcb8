import type { AuditEvent, Recorder } from '../audit/record.ts';
import type { Claimant } from './caller.ts';
import { actorOf } from './known.ts';
import { toRefusal } from './refusal.ts';

/** What was asked for that is no token exchange, and what is known of it. */
export type RefusedCall = {
  readonly kind: Extract<AuditEvent['kind'], 'end.refused' | 'stream.refused'>;
  /** Absent: no token held. */
  readonly claimant?: Claimant | undefined;
  readonly run?: string | undefined;
};

/**
 * Puts a refusal on record before anybody hears of it. What passes by itself is no refusal, and a bug
 * has its line in the log.
 *
 * @param parts.recordRefusal bounded: a flood of refusals is not recorded one by one
 * @returns what to answer for: the error, or what kept it from being recorded; never rejects
 */
export const recordedRefusal = async (
  error: unknown,
  { kind, claimant, run }: RefusedCall,
  parts: { readonly recordRefusal: Recorder; readonly now: () => number },
): Promise<unknown> => {
  const refusal = toRefusal(error);
  if (refusal === undefined || refusal.row.status >= 500) return error;
  const { code: reason, message } = refusal;
  const known = {
    ...(claimant !== undefined && { actor: actorOf(claimant) }),
    ...(run !== undefined && { run }),
  };
  return parts
    .recordRefusal({ kind, at: parts.now(), ...known, reason, message })
    .then(() => error)
    .catch((failure: unknown) => failure);
};
