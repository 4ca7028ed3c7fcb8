import { setTimeout as delay } from 'node:timers/promises';

import type { Clock } from '../../contract/clock.ts';
import { retryWithBackoff, type RetryDeps, type RetryDecision } from '../../async/retry.ts';
import { ExchangeError, type AwsRun } from '../../contract/exchange.ts';
import { CloudRequestError } from './cloud-request-error.ts';
import type { AssumeRole, StsResponse } from './sts-call.ts';
import { toStsExchangeError, classifyStsError } from './sts-errors.ts';

/** The shortest session that STS issues. The Deny in the session policy enforces shorter lifetimes. */
const MIN_SESSION_SECONDS = 900;
const MAX_SKEW_MS = 30_000;

export type AssumeRoleDeps = {
  readonly assumeRole: AssumeRole;
  readonly clock: Clock;
  /** Receives each measured clock skew in milliseconds, also one that is refused. */
  readonly reportSkew: (skewMs: number) => void;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
  readonly pause?: RetryDeps['pause'];
  /** By default ten seconds. */
  readonly budgetMs?: number;
};

/** The run for which a role is assumed. */
export type AssumeRoleRequest = {
  readonly run: string;
  readonly role: string;
  readonly lifetimeSeconds: number;
  /** The run must not last longer; milliseconds since the epoch. */
  readonly notAfter?: number;
  readonly sessionName: string;
  /** Returns the token for one attempt; `isReread`: STS did not accept the previous one. */
  readonly readToken: (isReread: boolean) => string | Promise<string>;
  /** The session policy for a deadline in milliseconds since the epoch; undefined: none. */
  readonly sessionPolicy: (deadline: number) => string | undefined;
  /** Codes that may mean that the cloud does not know the signing key: retried once after `pauseMs`. */
  readonly ambiguousDenial?: { readonly codes: readonly string[]; readonly pauseMs: number };
  readonly signal: AbortSignal;
  readonly onRetry?: ((error: ExchangeError) => void) | undefined;
};

export type AssumedRun = {
  readonly issued: AwsRun;
  /** The session policy of the credentials. */
  readonly policy: string | undefined;
  /** The Expiration that STS returned: milliseconds since the epoch, by the cloud's clock. */
  readonly expiration: number;
};

/**
 * Calls AssumeRoleWithWebIdentity for one run. Transient failures are retried for `budgetMs` with
 * backoff and full jitter. A token that STS does not accept is read again once.
 *
 * @throws ExchangeError
 */
export const assumeForRun = (
  deps: AssumeRoleDeps,
  request: AssumeRoleRequest,
): Promise<AssumedRun> => {
  const { pause = sleepUnref } = deps;
  return retryWithBackoff(
    {
      attempt: (isReread) => tryOnce(deps, request, isReread),
      evaluate: (thrown, hasReread) => evaluateStsError(thrown, request, hasReread),
      onRetry: request.onRetry,
    },
    { ...deps, pause },
    request.signal,
  );
};

const evaluateStsError = (
  thrown: unknown,
  { role, ambiguousDenial }: AssumeRoleRequest,
  hasReread: boolean,
): RetryDecision => {
  if (!(thrown instanceof CloudRequestError)) throw thrown;
  const error = toStsExchangeError(thrown, role);
  if (hasReread || ambiguousDenial?.codes.includes(thrown.code) !== true)
    return { action: classifyStsError(thrown), error };
  // Thrown where no time is left to repeat it: it may say nothing about the caller.
  const undecided = new ExchangeError('unavailable', 'grant_not_accepted', error.message, {
    cause: thrown,
  });
  return { action: 'reread', error: undecided, pauseMs: ambiguousDenial.pauseMs };
};

const sleepUnref = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal, ref: false });
};

/** Each attempt reads the token and computes the deadline again. @throws CloudRequestError, ExchangeError */
const tryOnce = async (
  { assumeRole, clock, reportSkew }: AssumeRoleDeps,
  request: AssumeRoleRequest,
  isReread: boolean,
): Promise<AssumedRun> => {
  const { run, role, lifetimeSeconds, notAfter = Infinity, sessionName } = request;
  const token = await request.readToken(isReread);
  const durationSeconds = Math.max(MIN_SESSION_SECONDS, lifetimeSeconds);
  const sentAt = clock.now();
  const deadline = Math.floor(Math.min(sentAt / 1000 + lifetimeSeconds, notAfter / 1000)) * 1000;
  const policy = request.sessionPolicy(deadline);
  const narrowed = policy === undefined ? {} : { policy };
  try {
    const call = { roleArn: role, sessionName, token, ...narrowed, durationSeconds };
    const answer = await assumeRole(call, request.signal);
    const skewMs = measureSkew(answer, { durationSeconds, sentAt, receivedAt: clock.now() });
    reportSkew(skewMs);
    checkSkew(skewMs);
    const issued = toIssuedRun(run, answer, { deadline, skewMs });
    return { issued, policy, expiration: answer.expiration };
  } catch (thrown) {
    throw thrown instanceof CloudRequestError ? redactToken(thrown, token) : thrown;
  }
};

/** Removes a message or code in which the cloud quotes the token or a part of it. */
const redactToken = (error: CloudRequestError, token: string): CloudRequestError => {
  const { code, message, status } = error;
  const isQuoted = (text: string): boolean =>
    text.includes(token) || text.match(QUOTABLE)?.some((word) => token.includes(word)) === true;
  if (!isQuoted(code) && !isQuoted(message)) return error;
  return new CloudRequestError(isQuoted(code) ? 'token_quoted' : code, '', toStatusOption(status));
};

/** Characters of a token (RFC 7515), long enough that a match with the token is not a coincidence. */
const QUOTABLE = /[\w-]{8,}/g;

const toStatusOption = (status: number | undefined) => (status === undefined ? {} : { status });

/**
 * Measures how far the cloud's clock is ahead of this node's, in milliseconds. The cloud read its clock
 * between sending and receiving; the midpoint has an error of at most half of the round trip.
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
    `The cloud's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this node's; at most ${MAX_SKEW_MS / 1000} s is accepted. Correct the node's clock.`,
  );
};

const toIssuedRun = (
  run: string,
  { keys: credentials, packedPolicyPercent }: StsResponse,
  times: { deadline: number; skewMs: number },
): AwsRun => ({
  run,
  credentials,
  ...times,
  ...(packedPolicyPercent === undefined ? {} : { packedPolicyPercent }),
});
