import type { Recorder } from '../audit/audit-event.ts';
import type { TokenResponse } from '../contract/authority-api.ts';
import type { Call, Caller } from './caller.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { buildAuditEvent } from './exchange-records.ts';
import { exchangeToken, type TokenExchangeDeps } from './token-exchange.ts';
import { buildInternalErrorRefusal, toRefusal, type TokenRefusal } from './token-refusal.ts';

/** An Event on a pod. */
type RefusalEvent = {
  readonly namespace: string;
  readonly pod: Caller['pod'];
  readonly reason: string;
  readonly message: string;
};

export type TokenEndpointDeps = TokenExchangeDeps & {
  /** Limited: similar refusals are counted instead of recorded one by one. @throws AuditError */
  readonly recordRefusal: Recorder;
  /** Writes an Event to the API server. Never throws, and is not awaited. */
  readonly emitPodEvent: (event: RefusalEvent) => void;
  /** Logs an internal error and returns the ID of its log line. */
  readonly reportInternalError: (error: unknown) => string;
};

export type TokenOutcome =
  | {
      readonly kind: 'issued';
      readonly response: TokenResponse;
      readonly context: ExchangeContext;
    }
  | {
      readonly kind: 'refused';
      readonly refusal: TokenRefusal;
      readonly context: ExchangeContext;
    };

/**
 * Exchanges a token, and records every refusal. A refusal also becomes an Event on the pod, but only
 * after the pod's token was verified. Never throws.
 */
export const handleTokenRequest = async (
  call: Call,
  deps: TokenEndpointDeps,
): Promise<TokenOutcome> => {
  const context: ExchangeContext = {};
  try {
    return { kind: 'issued', response: await exchangeToken(call, context, deps), context };
  } catch (error) {
    const refusal = toRefusal(error) ?? buildInternalErrorRefusal(deps.reportInternalError(error));
    const reported = await recordAndReportRefusal(refusal, context, deps);
    return { kind: 'refused', refusal: reported, context };
  }
};

/** @returns the refusal, or the one that says that it could not be recorded */
const recordAndReportRefusal = async (
  refusal: TokenRefusal,
  context: ExchangeContext,
  { recordRefusal, emitPodEvent, reportInternalError, now }: TokenEndpointDeps,
): Promise<TokenRefusal> => {
  const { code: reason, message } = refusal;
  try {
    await recordRefusal({ ...buildAuditEvent('run.refused', context, now()), reason, message });
  } catch (error) {
    return toRefusal(error) ?? buildInternalErrorRefusal(reportInternalError(error));
  }
  const { caller, details } = context;
  if (caller !== undefined && isFinalRefusal(refusal)) {
    emitPodEvent(buildRefusalEvent(caller, refusal, details?.task));
  }
  return refusal;
};

/** A refusal that a retry may resolve is not worth an Event. */
const isFinalRefusal = ({ row }: TokenRefusal): boolean => row.status < 500;

const buildRefusalEvent = (
  { namespace, pod }: Caller,
  { code, message }: TokenRefusal,
  task?: string,
): RefusalEvent => {
  const prefix = task === undefined ? '' : `task ${task}: `;
  return { namespace, pod, reason: 'RunRefused', message: `${prefix}${code}: ${message}` };
};
