import { TOKEN_PATH } from '../../contract/authority-api.ts';
import type { Clock } from '../../contract/clock.ts';
import { retryWithBackoff, type RetryDeps } from '../../async/retry.ts';
import type { Exchange, IssuedRun, RunRequest } from '../../contract/exchange.ts';
import { isDecision, createRetryEvaluator, toAuthorityError } from './authority-error.ts';
import type { Connection } from './connection.ts';
import { readTokenExchangeResponse, toIssuedRun } from './issued-run.ts';
import { buildTokenForm } from './token-form.ts';

/** The authority may try the cloud several times before it answers. */
const ATTEMPT_TIMEOUT_MS = 10_000;

export type AuthorityExchangeDeps = RetryDeps & {
  readonly connection: Connection;
  /** Reads the projected token afresh. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  readonly clock: Clock;
  /** Told of every skew that was measured, in milliseconds, also of one that is refused. */
  readonly reportSkew: (skewMs: number) => void;
  /** Told of every decision that came, whatever it was. */
  readonly onContact: () => void;
  readonly attemptTimeoutMs?: number;
};

/**
 * The exchange under `trust: authority`: RFC 8693 with the pod's projected token, and with the ID
 * token of the human for whom the agent acts, where there is one. What is worth another try is tried
 * again within ten seconds. Nothing of a successful answer reaches an error.
 */
export const createAuthorityExchange =
  (parts: AuthorityExchangeDeps): Exchange =>
  (request, signal) => {
    const hasUserToken = request.userToken !== undefined;
    // A connection that the other side has just closed would look like an answer that was lost.
    if (hasUserToken) parts.connection.closeIdle();
    const attempt = (): Promise<IssuedRun> => tryOnce(parts, request, signal);
    const evaluate = createRetryEvaluator({ hasUserToken });
    return retryWithBackoff({ attempt, evaluate }, parts, signal);
  };

const tryOnce = async (
  parts: AuthorityExchangeDeps,
  request: RunRequest,
  signal: AbortSignal,
): Promise<IssuedRun> => {
  const { connection, clock, onContact, attemptTimeoutMs = ATTEMPT_TIMEOUT_MS } = parts;
  const token = parts.readToken();
  const limited = AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]);
  const sentAt = clock.now();
  const reply = await connection.post(TOKEN_PATH, buildTokenForm(request, token), limited);
  const middle = (sentAt + clock.now()) / 2;
  if (reply.status === 200) {
    const issued = toIssuedRun(
      readTokenExchangeResponse(reply.body, request),
      middle,
      parts.reportSkew,
    );
    onContact();
    return issued;
  }
  const secrets = [token, ...(request.userToken === undefined ? [] : [request.userToken])];
  const fault = toAuthorityError(reply, secrets);
  if (isDecision(fault)) onContact();
  throw fault;
};
