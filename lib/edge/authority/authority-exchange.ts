import {
  CREDENTIALS_TYPE,
  ID_TOKEN_TYPE,
  JWT_TYPE,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
  TOKEN_PATH,
  type TaskDetails,
  type TokenAnswer,
} from '../../contract/authority.ts';
import type { Clock } from '../../contract/clock.ts';
import { attempts, type AttemptsParts } from '../../credentials/attempts.ts';
import {
  ExchangeError,
  type Exchange,
  type IssuedRun,
  type RunRequest,
} from '../../credentials/exchange.ts';
import type { Fault } from '../../reading/fault.ts';
import { AuthorityFault, isDecision, judge, toAuthorityFault } from './authority-fault.ts';
import type { Connection } from './connection.ts';
import { readCredentials, readTokenAnswer } from './token-answer.ts';

const LARGEST_SKEW_MS = 30_000;
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
  const fault: AuthorityFault = toAuthorityFault(reply, secrets);
  if (isDecision(fault)) heard();
  throw fault;
};

/** RFC 8693, section 2.1: for a human, the pod is the actor. */
const formOf = (request: RunRequest, podToken: string): URLSearchParams => {
  const { userToken } = request;
  const tokens =
    userToken === undefined
      ? { subject_token: podToken, subject_token_type: JWT_TYPE }
      : {
          subject_token: userToken,
          subject_token_type: ID_TOKEN_TYPE,
          actor_token: podToken,
          actor_token_type: JWT_TYPE,
        };
  return new URLSearchParams({
    grant_type: TOKEN_EXCHANGE_GRANT,
    requested_token_type: CREDENTIALS_TYPE,
    ...tokens,
    authorization_details: JSON.stringify([detailsOf(request)]),
  });
};

const detailsOf = ({ task, consumer, params, purpose }: RunRequest): TaskDetails => ({
  type: TASK_DETAILS_TYPE,
  task: task.name,
  consumer,
  params,
  ...(purpose === undefined ? {} : { purpose }),
});

type Answer = { readonly answer: TokenAnswer; readonly keys: IssuedRun['keys'] };

/** @throws ExchangeError `answer_invalid`, which names members and no value */
const readAnswer = (body: string, request: RunRequest): Answer => {
  const answer = readTokenAnswer(body);
  if (!answer.ok) throw invalid(answer.faults);
  if (!isAsked(answer.value.authorization_details[0], request)) {
    throw invalid([{ path: 'authorization_details', expected: '', got: '' }]);
  }
  const credentials = readCredentials(answer.value);
  if (!credentials.ok) throw invalid(credentials.faults);
  const { AccessKeyId, SecretAccessKey, Token } = credentials.value;
  const keys = {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: Token,
  };
  return { answer: answer.value, keys };
};

const isAsked = (granted: TaskDetails | undefined, request: RunRequest): boolean => {
  if (granted?.task !== request.task.name || granted.consumer !== request.consumer) return false;
  const given = Object.entries(granted.params);
  return (
    given.length === Object.keys(request.params).length &&
    given.every(([name, value]) => request.params[name] === value)
  );
};

const invalid = (faults: readonly Fault[]): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'answer_invalid',
    `The authority's answer is none that this sidecar understands (${faults.map(({ path }) => path).join(', ')}): are both of one version?`,
  );

/**
 * The run by this node's clock. The authority read its own when it answered, at some moment between
 * our sending and our receiving: taken for the middle of them, it errs towards an earlier end.
 *
 * @throws ExchangeError `clock_skew`
 */
const toIssuedRun = (
  { answer, keys }: Answer,
  middle: number,
  reportSkew: (skewMs: number) => void,
): IssuedRun => {
  const { run, deadline_ms, answered_at_ms, cloud_skew_ms, packed_policy_percent } = answer;
  const aheadMs = answered_at_ms - middle;
  const skewMs = cloud_skew_ms + aheadMs;
  reportSkew(skewMs);
  refuseSkew(skewMs);
  return {
    run,
    keys,
    deadline: deadline_ms - aheadMs,
    skewMs: cloud_skew_ms,
    ...(packed_policy_percent === undefined ? {} : { packedPolicyPercent: packed_policy_percent }),
  };
};

const refuseSkew = (skewMs: number): void => {
  if (Math.abs(skewMs) <= LARGEST_SKEW_MS) return;
  const seconds = Math.round(skewMs / 1000);
  throw new ExchangeError(
    'refused',
    'clock_skew',
    `The cloud's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this node's; at most ${LARGEST_SKEW_MS / 1000} s are accepted. Set the clocks of node and authority right.`,
  );
};
