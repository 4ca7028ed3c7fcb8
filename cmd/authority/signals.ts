import { createTokenBuckets } from '../../lib/async/token-buckets.ts';
import { SIGNAL_TYPE } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { TextHandler } from '../../lib/edge/http/form-app.ts';
import type { JsonResponse } from '../../lib/edge/http/json-response.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import {
  receiveSignal,
  type SignalDeps,
  type SignalOutcome,
} from '../../lib/exchange/signal-request.ts';
import { SignalError } from '../../lib/identity/signal-token.ts';

/** Receives one pushed signal and answers as RFC 8935 says. */
export type AnswerSignal = (token: string) => Promise<JsonResponse>;

/** Pushes per second of one transmitter, per replica. */
const PUSH_RATE = { burst: 20, perSecond: 10, capacity: 8 };
/** Of one transmitter and replica: who takes one over cannot fill the cluster with Revocations. */
const REVOCATION_RATE = { burst: 500, perSecond: 500 / 3600, capacity: 8 };

/** Creates what receives signals, with the limits of each transmitter. */
export const createSignalHandler = (
  deps: Omit<SignalDeps, 'takeForTransmitter' | 'takeForRevocation'> & {
    readonly clock: Pick<Clock, 'monotonic'>;
    readonly metrics: Pick<AuthorityMetrics, 'signalAnswered'>;
  },
): AnswerSignal => {
  const { monotonic } = deps.clock;
  const limits = {
    takeForTransmitter: createTokenBuckets({ ...PUSH_RATE, monotonic }),
    takeForRevocation: createTokenBuckets({ ...REVOCATION_RATE, monotonic }),
  };
  return async (token) => {
    const answered = await receiveSignal(token, { ...deps, ...limits });
    deps.metrics.signalAnswered(answered.transmitter, answered.outcome);
    return toResponse(answered);
  };
};

/** RFC 8935, sections 2.2 to 2.4. Answers of the protocol's own codes are 400, in one language. */
const toResponse = ({ error, retryAfterMs }: SignalOutcome): JsonResponse => {
  if (error === undefined) return { status: 202 };
  if (error.code !== 'unavailable') return renderError(400, error);
  const answer = renderError(retryAfterMs === undefined ? 503 : 429, error);
  const seconds = Math.ceil((retryAfterMs ?? RETRY_MS) / 1000);
  return { ...answer, headers: { ...answer.headers, 'Retry-After': String(seconds) } };
};

const RETRY_MS = 5_000;

const renderError = (status: number, { code: err, message }: SignalError): JsonResponse => ({
  status,
  body: { err, description: message },
  headers: { 'Content-Language': 'en' },
});

/** The route of signals, which are no forms. */
export const buildSignalRoute = (answer: AnswerSignal): TextHandler => ({
  type: { pattern: /^application\/secevent\+jwt\s*$/i, expected: SIGNAL_TYPE },
  answer,
  refuse: (code, message) =>
    renderError(STATUSES[code], new SignalError('invalid_request', message)),
});

const STATUSES = {
  route_unknown: 404,
  method_not_allowed: 405,
  body_incomplete: 400,
  body_too_large: 413,
  content_type_unsupported: 415,
} as const;
