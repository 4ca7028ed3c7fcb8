import type { Recorder } from '../audit/record.ts';
import type { TokenAnswer } from '../contract/authority.ts';
import type { Call, Claimant } from './caller.ts';
import { issueRun, type IssuingParts } from './issue-run.ts';
import { eventOf, type Known } from './known.ts';
import { bugRefusal, toRefusal, type Refusal } from './refusal.ts';

export type ExchangeParts = IssuingParts & {
  /** Records refusals, a flood of them not one by one. @throws AuditError */
  readonly recordRefusal: Recorder;
  /** Makes a refusal an Event on the pod; never throws, and nobody waits for it. */
  readonly tellPod: (claimant: Claimant, refusal: Refusal, task: string | undefined) => void;
  /** Notes a bug; answers the id by which its line is found. */
  readonly onBug: (error: unknown) => string;
};

export type TokenOutcome =
  | { readonly kind: 'issued'; readonly answer: TokenAnswer; readonly known: Known }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly known: Known };

/**
 * The token exchange with every refusal recorded, and told to the pod once we know that it is the
 * pod that asks. Never throws.
 */
export const exchangeToken = async (call: Call, parts: ExchangeParts): Promise<TokenOutcome> => {
  const known: Known = {};
  try {
    return { kind: 'issued', answer: await issueRun(call, known, parts), known };
  } catch (error) {
    const refusal = toRefusal(error) ?? bugRefusal(parts.onBug(error));
    return { kind: 'refused', refusal: await keepRefusal(refusal, known, parts), known };
  }
};

/** The refusal once it is on record; else that it could not be recorded. */
const keepRefusal = async (
  refusal: Refusal,
  known: Known,
  { recordRefusal, tellPod, onBug, now }: ExchangeParts,
): Promise<Refusal> => {
  const { code: reason, message } = refusal;
  try {
    await recordRefusal({ ...eventOf('run.refused', known, now()), reason, message });
  } catch (error) {
    return toRefusal(error) ?? bugRefusal(onBug(error));
  }
  const { claimant, details } = known;
  if (claimant !== undefined && isAnswer(refusal)) tellPod(claimant, refusal, details?.task);
  return refusal;
};

/** What passes by itself is no news to a pod. */
const isAnswer = ({ row }: Refusal): boolean => row.status < 500;
