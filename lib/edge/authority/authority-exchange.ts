import { TOKEN_PATH } from '../../contract/authority.ts';
import type { Clock } from '../../contract/clock.ts';
import { attempts, type AttemptsParts } from '../../credentials/attempts.ts';
import type { Exchange, IssuedRun, RunRequest } from '../../credentials/exchange.ts';
import { isDecision, judge, toAuthorityFault } from './authority-fault.ts';
import type { Connection } from './connection.ts';
import { readAnswer, toIssuedRun } from './granted-run.ts';
import { formOf } from './token-form.ts';

/** The authority may try the cloud several times before it answers. */
const ATTEMPT_TIMEOUT_MS = 10_000;

export type AuthorityExchangeParts = AttemptsParts & {
  readonly connection: Connection;
  /** Reads the projected token afresh. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  readonly clock: Clock;
  /** Told of every skew that was measured, in milliseconds, also of one that is refused. */
  readonly reportSkew: (skewMs: number) => void;
  /** Told of every decision that came, whatever it was. */
  readonly heard: () => void;
  readonly attemptTimeoutMs?: number;
};

/**
 * The exchange under `trust: authority`: RFC 8693 with the pod's projected token, and with the ID
 * token of the human for whom the agent acts, where there is one. What is worth another try is tried
 * again within ten seconds. Nothing of a successful answer reaches an error.
 */
export const authorityExchange =
  (parts: AuthorityExchangeParts): Exchange =>
  (request, signal) => {
    const spends = request.userToken !== undefined;
    // A connection that the other side has just closed would look like an answer that was lost.
    if (spends) parts.connection.forgetIdle();
    const attempt = (): Promise<IssuedRun> => tryOnce(parts, request, signal);
    return attempts(attempt, judge({ spends }), parts)(signal);
  };

const tryOnce = async (
  parts: AuthorityExchangeParts,
  request: RunRequest,
  signal: AbortSignal,
): Promise<IssuedRun> => {
  const { connection, clock, heard, attemptTimeoutMs = ATTEMPT_TIMEOUT_MS } = parts;
  const token = parts.readToken();
  const limited = AbortSignal.any([signal, AbortSignal.timeout(attemptTimeoutMs)]);
  const sentAt = clock.now();
  const reply = await connection.post(TOKEN_PATH, formOf(request, token), limited);
  const middle = (sentAt + clock.now()) / 2;
  if (reply.status === 200) {
    const issued = toIssuedRun(readAnswer(reply.body, request), middle, parts.reportSkew);
    heard();
    return issued;
  }
  const secrets = [token, ...(request.userToken === undefined ? [] : [request.userToken])];
  const fault = toAuthorityFault(reply, secrets);
  if (isDecision(fault)) heard();
  throw fault;
};
