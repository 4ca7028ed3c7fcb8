import type { RetryDecision, RetryAction } from '../../async/retry.ts';
import { ExchangeError } from '../../contract/exchange.ts';
import {
  ConnectionError,
  isCertificateError,
  type BufferedResponse,
} from '../http/https-client.ts';
import { readTokenErrorResponse } from './token-response-schema.ts';

/** A longer wait is the consumer's own matter. */
const MAX_WAIT_SECONDS = 300;
const TOO_MANY_REQUESTS = 429;

/** An answer of the authority that is no success. Its message is for people. */
export class AuthorityError extends Error {
  override readonly name = 'AuthorityFault';
  readonly status: number;
  /** The authority's stable `reason`; `http_<status>` where there is none. */
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, code: string, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Whether somebody decided: what is overloaded or failing knows nothing about the run. */
export const isDecision = ({ status }: AuthorityError): boolean =>
  status >= 400 && status < 500 && status !== TOO_MANY_REQUESTS;

/**
 * An answer other than 200 (RFC 6749, section 5.2).
 *
 * @param secrets what was sent and must not come back in a message
 */
export const toAuthorityError = (
  { status, headers, body }: BufferedResponse,
  secrets: readonly string[],
): AuthorityError => {
  const seconds = Number(headers['retry-after'] ?? NaN);
  const waitMs = seconds >= 0 ? Math.min(seconds, MAX_WAIT_SECONDS) * 1000 : undefined;
  const answer = readTokenErrorResponse(body);
  if (!answer.ok || secrets.some((secret) => body.includes(secret))) {
    return new AuthorityError(status, `http_${status}`, `it answered with HTTP ${status}`, waitMs);
  }
  const { reason, error_description, policies = [] } = answer.value;
  const deciding = policies.length === 0 ? '' : ` (policies: ${policies.join(', ')})`;
  return new AuthorityError(status, reason, `${error_description}${deciding}`, waitMs);
};

/**
 * What to do about a failed attempt. A human's token is spent by the attempt that is judged: one
 * that may have got so far is not made again, because the authority would call it a replay.
 */
export const createRetryEvaluator =
  ({ hasUserToken }: { readonly hasUserToken: boolean }) =>
  (thrown: unknown): RetryDecision => ({
    action: classifyAuthorityError(thrown, hasUserToken),
    error: toExchangeError(thrown),
  });

const classifyAuthorityError = (thrown: unknown, spends: boolean): RetryAction => {
  if (thrown instanceof ConnectionError) {
    return thrown.code === 'response_too_large' || (spends && thrown.wasSent) ? 'final' : 'retry';
  }
  if (!(thrown instanceof AuthorityError)) return 'final';
  if (thrown.code === 'token_expired') return 'reread';
  if (isDecision(thrown)) return 'final';
  return spends && thrown.status !== TOO_MANY_REQUESTS ? 'final' : 'retry';
};

/** A fault of this room as the rest of the program knows it; what is none is thrown as it is. */
export const toExchangeError = (thrown: unknown): ExchangeError => {
  if (thrown instanceof AuthorityError) return toAnsweredError(thrown);
  if (thrown instanceof ConnectionError) return toUnreachableError(thrown);
  if (thrown instanceof ExchangeError) return thrown;
  throw thrown;
};

const toAnsweredError = (fault: AuthorityError): ExchangeError => {
  const { code, message, retryAfterMs } = fault;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return isDecision(fault)
    ? new ExchangeError('refused', code, `The authority refused: ${message}`, wait)
    : new ExchangeError('unavailable', code, `The authority cannot say yet: ${message}`, wait);
};

const toUnreachableError = (fault: ConnectionError): ExchangeError =>
  new ExchangeError('unavailable', 'authority_unreachable', formatConnectionError(fault));

const formatConnectionError = (error: ConnectionError): string => {
  const { code } = error;
  if (isCertificateError(error)) {
    return `the authority's certificate is not by the roots that this pod was admitted with; create the pod again if they have been replaced (${code})`;
  }
  return code === 'response_too_large'
    ? 'the authority answered more than an answer can be'
    : `the authority could not be reached: look at its pods and at network policies (${code})`;
};
