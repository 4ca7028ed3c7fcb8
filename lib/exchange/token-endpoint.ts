import type { Recorder } from '../audit/audit-event.ts';
import type { TokenResponse } from '../contract/authority-api.ts';
import type { Call, Caller } from './caller.ts';
import { exchangeToken, type TokenExchangeDeps } from './token-exchange.ts';
import { buildAuditEvent, type ExchangeContext } from './exchange-context.ts';
import { buildInternalErrorRefusal, toRefusal, type TokenRefusal } from './token-refusal.ts';

export type TokenEndpointDeps = TokenExchangeDeps & {
  /** Records refusals, a flood of them not one by one. @throws AuditError */
  readonly recordRefusal: Recorder;
  /** Makes a refusal an Event on the pod; never throws, and nobody waits for it. */
  readonly emitPodEvent: (
    claimant: Caller,
    refusal: TokenRefusal,
    task: string | undefined,
  ) => void;
  /** Notes a bug; answers the id by which its line is found. */
  readonly reportInternalError: (error: unknown) => string;
};

export type TokenOutcome =
  | { readonly kind: 'issued'; readonly answer: TokenResponse; readonly known: ExchangeContext }
  | { readonly kind: 'refused'; readonly refusal: TokenRefusal; readonly known: ExchangeContext };

/**
 * The token exchange with every refusal recorded, and told to the pod once we know that it is the
 * pod that asks. Never throws.
 */
export const handleTokenRequest = async (
  call: Call,
  parts: TokenEndpointDeps,
): Promise<TokenOutcome> => {
  const known: ExchangeContext = {};
  try {
    return { kind: 'issued', answer: await exchangeToken(call, known, parts), known };
  } catch (error) {
    const refusal = toRefusal(error) ?? buildInternalErrorRefusal(parts.reportInternalError(error));
    return { kind: 'refused', refusal: await recordAndReportRefusal(refusal, known, parts), known };
  }
};

/** The refusal once it is on record; else that it could not be recorded. */
const recordAndReportRefusal = async (
  refusal: TokenRefusal,
  known: ExchangeContext,
  { recordRefusal, emitPodEvent, reportInternalError, now }: TokenEndpointDeps,
): Promise<TokenRefusal> => {
  const { code: reason, message } = refusal;
  try {
    await recordRefusal({ ...buildAuditEvent('run.refused', known, now()), reason, message });
  } catch (error) {
    return toRefusal(error) ?? buildInternalErrorRefusal(reportInternalError(error));
  }
  const { caller, details } = known;
  if (caller !== undefined && isFinalRefusal(refusal)) emitPodEvent(caller, refusal, details?.task);
  return refusal;
};

/** What passes by itself is no news to a pod. */
const isFinalRefusal = ({ row }: TokenRefusal): boolean => row.status < 500;
