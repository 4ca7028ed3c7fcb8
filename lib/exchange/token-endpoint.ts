import type { Recorder } from '../audit/audit-event.ts';
import type { TokenResponse } from '../contract/authority-api.ts';
import { findSignedPod } from '../identity/projected-token.ts';
import type { Call, Caller } from './caller.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { buildAuditEvent } from './exchange-records.ts';
import { exchangeToken, type TokenExchangeDeps } from './token-exchange.ts';
import { buildInternalErrorRefusal, toRefusal, type TokenRefusal } from './token-refusal.ts';

/** An Event on a pod. */
type RefusalEvent = {
  readonly namespace: string;
  readonly pod: Caller['pod'];
  /** `RunUnavailable`: a retry may succeed. */
  readonly reason: 'RunRefused' | 'RunUnavailable';
  /** Key of the refusal table. */
  readonly code: string;
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
 * Exchanges a token, and records every refusal. A refusal also becomes an Event on the pod, if the
 * signature of the pod's token is valid. Never throws.
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
    const reported = await recordRefusedRun(refusal, context, deps);
    const pod = context.caller ?? findSignedPod(error);
    if (pod !== undefined && !isRestart(reported)) {
      deps.emitPodEvent(buildRefusalEvent(pod, reported, context.details?.task));
    }
    return { kind: 'refused', refusal: reported, context };
  }
};

/** @returns the refusal, or the one that says that it could not be recorded */
const recordRefusedRun = async (
  refusal: TokenRefusal,
  context: ExchangeContext,
  { recordRefusal, reportInternalError, now }: TokenEndpointDeps,
): Promise<TokenRefusal> => {
  const { code: reason, message } = refusal;
  try {
    await recordRefusal({ ...buildAuditEvent('run.refused', context, now()), reason, message });
    return refusal;
  } catch (error) {
    return toRefusal(error) ?? buildInternalErrorRefusal(reportInternalError(error));
  }
};

/** The sidecar retries at once at another replica, so that no one looks for the reason. */
const isRestart = ({ code }: TokenRefusal): boolean => code === 'draining' || code === 'starting';

const buildRefusalEvent = (
  { namespace, pod }: Pick<Caller, 'namespace' | 'pod'>,
  { code, message, row }: TokenRefusal,
  task?: string,
): RefusalEvent => {
  const prefix = task === undefined ? '' : `task ${task}: `;
  const reason = row.status < 500 ? 'RunRefused' : 'RunUnavailable';
  return { namespace, pod, reason, code, message: `${prefix}${code}: ${message}` };
};
