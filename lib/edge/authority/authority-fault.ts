import type { Judgement, Verdict } from '../../credentials/attempts.ts';
import { ExchangeError } from '../../credentials/exchange.ts';
import type { Reply } from './connection.ts';
import { describeLinkFault, LinkFault } from './link-fault.ts';
import { readErrorAnswer } from './token-answer.ts';

/** A longer wait is the consumer's own matter. */
const LONGEST_WAIT_SECONDS = 300;
const TOO_MANY = 429;

/** An answer of the authority that is no success. Its message is for people. */
export class AuthorityFault extends Error {
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
export const isDecision = ({ status }: AuthorityFault): boolean =>
  status >= 400 && status < 500 && status !== TOO_MANY;

/**
 * An answer other than 200 (RFC 6749, section 5.2).
 *
 * @param secrets what was sent and must not come back in a message
 */
export const toAuthorityFault = (
  { status, headers, body }: Reply,
  secrets: readonly string[],
): AuthorityFault => {
  const seconds = Number(headers['retry-after'] ?? NaN);
  const waitMs = seconds >= 0 ? Math.min(seconds, LONGEST_WAIT_SECONDS) * 1000 : undefined;
  const answer = readErrorAnswer(body);
  if (!answer.ok || secrets.some((secret) => body.includes(secret))) {
    return new AuthorityFault(status, `http_${status}`, `it answered with HTTP ${status}`, waitMs);
  }
  const { reason, error_description, policies = [] } = answer.value;
  const deciding = policies.length === 0 ? '' : ` (policies: ${policies.join(', ')})`;
  return new AuthorityFault(status, reason, `${error_description}${deciding}`, waitMs);
};

/**
 * What to do about a failed attempt. A human's token is spent by the attempt that is judged: one
 * that may have got so far is not made again, because the authority would call it a replay.
 */
export const judge =
  ({ spends }: { readonly spends: boolean }) =>
  (thrown: unknown): Judgement => ({
    verdict: verdictOn(thrown, spends),
    error: toExchangeError(thrown),
  });

const verdictOn = (thrown: unknown, spends: boolean): Verdict => {
  if (thrown instanceof LinkFault) {
    return thrown.code === 'answer_too_large' || (spends && thrown.wasSent) ? 'final' : 'retry';
  }
  if (!(thrown instanceof AuthorityFault)) return 'final';
  if (thrown.code === 'token_expired') return 'reread';
  if (isDecision(thrown)) return 'final';
  return spends && thrown.status !== TOO_MANY ? 'final' : 'retry';
};

/** A fault of this room as the rest of the program knows it; what is none is thrown as it is. */
export const toExchangeError = (thrown: unknown): ExchangeError => {
  if (thrown instanceof AuthorityFault) return errorOf(thrown);
  if (thrown instanceof LinkFault) return lackOf(thrown);
  if (thrown instanceof ExchangeError) return thrown;
  throw thrown;
};

const errorOf = (fault: AuthorityFault): ExchangeError => {
  const { code, message, retryAfterMs } = fault;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return isDecision(fault)
    ? new ExchangeError('refused', code, `The authority refused: ${message}`, wait)
    : new ExchangeError('unavailable', code, `The authority cannot say yet: ${message}`, wait);
};

const lackOf = (fault: LinkFault): ExchangeError =>
  new ExchangeError('unavailable', 'authority_unreachable', describeLinkFault(fault));
