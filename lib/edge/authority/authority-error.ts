import type { RetryDecision, RetryAction } from '../../async/retry.ts';
import type { PendingApproval } from '../../contract/authority-api.ts';
import { ExchangeError } from '../../contract/exchange.ts';
import {
  ConnectionError,
  isCertificateError,
  type BufferedResponse,
} from '../http/https-client.ts';
import { readTokenErrorResponse } from './token-response-schema.ts';

/** Consumers wait at most this long, whatever the authority requests. */
const MAX_WAIT_SECONDS = 300;
const TOO_MANY_REQUESTS = 429;

/** An error response of the authority. Its message is for people. */
export class AuthorityError extends Error {
  override readonly name = 'AuthorityError';
  readonly status: number;
  /** The authority's stable `reason`; `http_<status>` if there is none. */
  readonly code: string;
  readonly retryAfterMs: number | undefined;
  readonly holdMs: number | undefined;
  readonly approval: Pick<PendingApproval, 'namespace' | 'name'> | undefined;
  readonly policies: readonly string[];

  constructor(
    status: number,
    code: string,
    message: string,
    {
      retryAfterMs,
      holdMs,
      approval,
      policies = [],
    }: {
      retryAfterMs?: number | undefined;
      holdMs?: number | undefined;
      approval?: Pick<PendingApproval, 'namespace' | 'name'> | undefined;
      policies?: readonly string[];
    } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.holdMs = holdMs;
    this.approval = approval;
    this.policies = policies;
  }
}

/** Whether the authority decided about the run. An overloaded or failing authority did not. */
export const isDecision = ({ status }: AuthorityError): boolean =>
  status >= 400 && status < 500 && status !== TOO_MANY_REQUESTS;

/**
 * Converts a response with a status other than 200 (RFC 6749, section 5.2).
 *
 * @param secrets tokens that were sent; a response that repeats one is not quoted
 */
export const toAuthorityError = (
  { status, headers, body }: BufferedResponse,
  secrets: readonly string[],
): AuthorityError => {
  const seconds = Number(headers['retry-after'] ?? NaN);
  const waitMs = seconds >= 0 ? Math.min(seconds, MAX_WAIT_SECONDS) * 1000 : undefined;
  const answer = readTokenErrorResponse(body);
  if (!answer.ok || secrets.some((secret) => body.includes(secret))) {
    return new AuthorityError(
      status,
      `http_${status}`,
      `expected a token response, got HTTP status ${status}`,
      { retryAfterMs: waitMs },
    );
  }
  const { reason, error_description, policies = [], approval } = answer.value;
  const deciding = policies.length === 0 ? '' : ` (policies: ${policies.join(', ')})`;
  return new AuthorityError(status, reason, `${error_description}${deciding}`, {
    retryAfterMs: waitMs ?? toWaitMs(approval),
    policies,
    ...(approval?.hold !== undefined && { holdMs: approval.hold * 1000 }),
    ...(approval !== undefined && {
      approval: { namespace: approval.namespace, name: approval.name },
    }),
  });
};

/** A person needs longer than an exchange may take: the consumer asks again after this time. */
const toWaitMs = (approval: PendingApproval | undefined): number | undefined =>
  approval && approval.interval * 1000;

/**
 * Creates the function that decides about a retry. The authority accepts a user token once. An attempt
 * that may have used it is not repeated, because the authority would report a replay.
 */
export const createRetryEvaluator =
  ({ hasUserToken }: { readonly hasUserToken: boolean }) =>
  (thrown: unknown): RetryDecision => ({
    action: classifyAuthorityError(thrown, hasUserToken),
    error: toExchangeError(thrown),
  });

const classifyAuthorityError = (thrown: unknown, hasUserToken: boolean): RetryAction => {
  if (thrown instanceof ConnectionError) {
    return thrown.code === 'response_too_large' || (hasUserToken && thrown.wasSent)
      ? 'final'
      : 'retry';
  }
  if (!(thrown instanceof AuthorityError)) return 'final';
  if (thrown.code === 'token_expired') return 'reread';
  if (isDecision(thrown)) return 'final';
  return hasUserToken && thrown.status !== TOO_MANY_REQUESTS ? 'final' : 'retry';
};

/** Converts the errors of this package. @throws any other error unchanged */
export const toExchangeError = (thrown: unknown): ExchangeError => {
  if (thrown instanceof AuthorityError) return toResponseError(thrown);
  if (thrown instanceof ConnectionError) return toUnreachableError(thrown);
  if (thrown instanceof ExchangeError) return thrown;
  throw thrown;
};

const toResponseError = (error: AuthorityError): ExchangeError => {
  const { code, message, retryAfterMs, holdMs, approval, policies } = error;
  const wait = {
    policies,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(holdMs !== undefined && { holdMs }),
    ...(approval !== undefined && { approval }),
  };
  return isDecision(error)
    ? new ExchangeError('refused', code, `The authority refused: ${message}`, wait)
    : new ExchangeError('unavailable', code, `The authority is unavailable: ${message}`, wait);
};

const toUnreachableError = (error: ConnectionError): ExchangeError =>
  new ExchangeError('unavailable', 'authority_unreachable', formatConnectionError(error));

/** A certificate is valid from five minutes before it was signed: a clock that is further behind rejects it. */
const CLOCK_CODES: ReadonlyMap<string, string> = new Map([
  ['CERT_NOT_YET_VALID', 'is not yet valid'],
  ['CERT_HAS_EXPIRED', 'has expired'],
]);

const formatConnectionError = (error: ConnectionError): string => {
  const { code } = error;
  const validity = CLOCK_CODES.get(code);
  if (validity !== undefined) {
    return `By this node's clock, the authority's certificate ${validity} (${code}). Check the clocks of this node and of the authority's nodes.`;
  }
  if (isCertificateError(error)) {
    return `The authority's certificate is not signed by a CA in the trust bundle of this pod (${code}). If the CA was replaced, create the pod again.`;
  }
  return code === 'response_too_large'
    ? 'The authority returned a response that is too large.'
    : `The authority is not reachable (${code}). Check its pods and network policies.`;
};
