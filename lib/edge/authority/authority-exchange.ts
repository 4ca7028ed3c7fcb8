import { randomUUID } from 'node:crypto';

import { TOKEN_PATH } from '../../contract/authority-api.ts';
import { REQUEST_ID_HEADER } from '../../contract/request-id.ts';
import type { Clock } from '../../contract/clock.ts';
import { retryWithBackoff, type RetryDeps } from '../../async/retry.ts';
import type { Exchange, IssuedRun, RunRequest } from '../../contract/exchange.ts';
import { isDecision, createRetryEvaluator, toAuthorityError } from './authority-error.ts';
import type { Connection } from './connection.ts';
import { readTokenExchangeResponse, toIssuedRun } from './issued-run.ts';
import { buildTokenForm } from './token-form.ts';

/** The authority may call the cloud several times before it responds. */
export const ATTEMPT_TIMEOUT_MS = 10_000;

export type AuthorityExchangeDeps = RetryDeps & {
  readonly connection: Connection;
  /** Reads the projected token from its file. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  readonly clock: Clock;
  /** Receives each measured clock skew in milliseconds, also one that is refused. */
  readonly reportSkew: (skewMs: number) => void;
  /** Called for each decision of the authority, positive or negative. */
  readonly onContact: () => void;
  /** The context of the trace of an exchange. */
  readonly getTraceHeaders?: () => Readonly<Record<string, string>>;
  readonly attemptTimeoutMs?: number;
};

/**
 * Creates the exchange for `trust: authority`: RFC 8693 with the pod's projected token and, if the
 * agent acts for a user, the user's ID token. Transient failures are retried for ten seconds. Errors
 * contain nothing of a successful response.
 */
export const createAuthorityExchange =
  (deps: AuthorityExchangeDeps): Exchange =>
  (request, signal, onRetry) => {
    const hasUserToken = request.userToken !== undefined;
    // On a pooled connection that the server just closed, the user token might count as used.
    if (hasUserToken) deps.connection.closeIdle();
    // The same for each repetition: an approval is used once, and its answer may be lost.
    const id = randomUUID();
    const attempt = (): Promise<IssuedRun> => tryOnce(deps, request, { id, signal });
    const evaluate = createRetryEvaluator({ hasUserToken });
    return retryWithBackoff({ attempt, evaluate, onRetry }, deps, signal);
  };

const tryOnce = async (
  deps: AuthorityExchangeDeps,
  request: RunRequest,
  { id, signal }: { readonly id: string; readonly signal: AbortSignal },
): Promise<IssuedRun> => {
  const { connection, clock, onContact, attemptTimeoutMs = ATTEMPT_TIMEOUT_MS } = deps;
  const token = deps.readToken();
  const limited = AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]);
  const sentAt = clock.now();
  const form = buildTokenForm(request, { podToken: token, attempt: id });
  const { requestId } = request;
  const headers = {
    ...deps.getTraceHeaders?.(),
    ...(requestId !== undefined && { [REQUEST_ID_HEADER]: requestId }),
  };
  const response = await connection.post(TOKEN_PATH, form, limited, headers);
  const midpoint = (sentAt + clock.now()) / 2;
  if (response.status === 200) {
    const issued = toIssuedRun(
      readTokenExchangeResponse(response.body, request),
      midpoint,
      deps.reportSkew,
    );
    onContact();
    return issued;
  }
  const { userToken, delegation } = request;
  const secrets = [token, userToken, delegation].filter((each) => each !== undefined);
  const error = toAuthorityError(response, secrets);
  if (isDecision(error)) onContact();
  throw error;
};
