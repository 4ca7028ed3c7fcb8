import { setTimeout as delay } from 'node:timers/promises';

import type { Clock } from '../../contract/clock.ts';
import { retryWithBackoff, type RetryDeps, type RetryDecision } from '../../async/retry.ts';
import { ExchangeError, type IssuedRun } from '../../contract/exchange.ts';
import { CloudRequestError } from './cloud-request-error.ts';
import type { AssumeRole, StsResponse } from './sts-call.ts';
import { toStsExchangeError, classifyStsError } from './sts-errors.ts';

/** STS gives no less; a shorter lifetime is held by the Deny in the session policy. */
const MIN_SESSION_SECONDS = 900;
const MAX_SKEW_MS = 30_000;

export type AssumeRoleDeps = {
  readonly assumeRole: AssumeRole;
  readonly clock: Clock;
  /** Told of every skew that was measured, in milliseconds, also of one that is refused. */
  readonly reportSkew: (skewMs: number) => void;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
  readonly pause?: RetryDeps['pause'];
};

/** One run to be had from STS. */
export type AssumeRoleRequest = {
  readonly run: string;
  readonly role: string;
  readonly lifetimeSeconds: number;
  readonly sessionName: string;
  /** A token for one attempt; `isReread`: STS did not accept the one before. */
  readonly readToken: (isReread: boolean) => string | Promise<string>;
  /** By the deadline of one attempt, milliseconds since the epoch; nothing: the role itself. */
  readonly sessionPolicy: (deadline: number) => string | undefined;
  /** A cloud that refuses without saying that it means the token is asked once more, after a while. */
  readonly ambiguousDenial?: { readonly codes: readonly string[]; readonly pauseMs: number };
  readonly signal: AbortSignal;
};

export type AssumedRun = {
  readonly issued: IssuedRun;
  /** The session policy that the keys have. */
  readonly policy: string | undefined;
  /** When STS says that the keys expire: milliseconds since the epoch, by the cloud's clock. */
  readonly expiration: number;
};

/**
 * AssumeRoleWithWebIdentity for one run. What is worth another try is tried again within ten
 * seconds, with backoff and full jitter; a token that STS does not accept is read again once.
 *
 * @throws ExchangeError
 */
export const assumeForRun = (
  parts: AssumeRoleDeps,
  order: AssumeRoleRequest,
): Promise<AssumedRun> => {
  const { pause = sleepUnref } = parts;
  return retryWithBackoff(
    {
      attempt: (isReread) => tryOnce(parts, order, isReread),
      evaluate: (thrown, hasReread) => evaluateStsError(thrown, order, hasReread),
    },
    { ...parts, pause },
    order.signal,
  );
};

const evaluateStsError = (
  thrown: unknown,
  { role, ambiguousDenial }: AssumeRoleRequest,
  hasReread: boolean,
): RetryDecision => {
  if (!(thrown instanceof CloudRequestError)) throw thrown;
  const error = toStsExchangeError(thrown, role);
  return !hasReread && ambiguousDenial?.codes.includes(thrown.code) === true
    ? { action: 'reread', error, pauseMs: ambiguousDenial.pauseMs }
    : { action: classifyStsError(thrown), error };
};

const sleepUnref = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal, ref: false });
};

/** One attempt: a token read afresh and a deadline of its own. @throws CloudRequestError, ExchangeError */
const tryOnce = async (
  { assumeRole, clock, reportSkew }: AssumeRoleDeps,
  order: AssumeRoleRequest,
  isReread: boolean,
): Promise<AssumedRun> => {
  const { run, role, lifetimeSeconds, sessionName } = order;
  const token = await order.readToken(isReread);
  const durationSeconds = Math.max(MIN_SESSION_SECONDS, lifetimeSeconds);
  const sentAt = clock.now();
  const deadline = Math.floor(sentAt / 1000 + lifetimeSeconds) * 1000;
  const policy = order.sessionPolicy(deadline);
  const narrowed = policy === undefined ? {} : { policy };
  try {
    const call = { roleArn: role, sessionName, token, ...narrowed, durationSeconds };
    const answer = await assumeRole(call, order.signal);
    const skewMs = measureSkew(answer, { durationSeconds, sentAt, receivedAt: clock.now() });
    reportSkew(skewMs);
    checkSkew(skewMs);
    const issued = toIssuedRun(run, answer, { deadline, skewMs });
    return { issued, policy, expiration: answer.expiration };
  } catch (thrown) {
    throw thrown instanceof CloudRequestError ? redactToken(thrown, token) : thrown;
  }
};

/** A cloud that quotes the token, or a piece of it, must not carry it into a message or a code. */
const redactToken = (fault: CloudRequestError, token: string): CloudRequestError => {
  const { code, message, status } = fault;
  const isQuoted = (text: string): boolean =>
    text.includes(token) || text.match(QUOTABLE)?.some((word) => token.includes(word)) === true;
  if (!isQuoted(code) && !isQuoted(message)) return fault;
  return new CloudRequestError(isQuoted(code) ? 'token_quoted' : code, '', toStatusOption(status));
};

/** What a token is written in (RFC 7515), so long that it stands in one by no accident. */
const QUOTABLE = /[\w-]{8,}/g;

const toStatusOption = (status: number | undefined) => (status === undefined ? {} : { status });

/**
 * How far the cloud's clock is ahead of ours. It read its clock at some moment between our sending
 * and our receiving: the middle of them errs by half the time that the call took.
 */
const measureSkew = (
  { expiration }: StsResponse,
  at: { durationSeconds: number; sentAt: number; receivedAt: number },
): number => expiration - at.durationSeconds * 1000 - (at.sentAt + at.receivedAt) / 2;

const checkSkew = (skewMs: number): void => {
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return;
  const seconds = Math.round(skewMs / 1000);
  throw new ExchangeError(
    'refused',
    'clock_skew',
    `The cloud's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this node's; at most ${MAX_SKEW_MS / 1000} s are accepted. Set the node's clock right.`,
  );
};

const toIssuedRun = (
  run: string,
  { keys: credentials, packedPolicyPercent }: StsResponse,
  times: { deadline: number; skewMs: number },
): IssuedRun => ({
  run,
  credentials,
  ...times,
  ...(packedPolicyPercent === undefined ? {} : { packedPolicyPercent }),
});
