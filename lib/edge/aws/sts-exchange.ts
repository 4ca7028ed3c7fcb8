import { setTimeout as delay } from 'node:timers/promises';

import type { Clock } from '../../contract/clock.ts';
import {
  ExchangeError,
  type Exchange,
  type IssuedRun,
  type RunRequest,
} from '../../credentials/exchange.ts';
import type { AssumeRole, StsAnswer } from './sts-call.ts';
import { StsFault } from './sts-fault.ts';
import { toExchangeError, verdictOn } from './sts-verdict.ts';

/** STS gives no less; a shorter lifetime is held by the Deny in the session policy. */
const SHORTEST_SESSION_SECONDS = 900;
const LARGEST_SKEW_MS = 30_000;
const BUDGET_MS = 10_000;
const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 2_000;

export type StsExchangeParts = {
  readonly assumeRole: AssumeRole;
  /** Reads the projected token afresh. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  /** The session policy of a run whose deadline is `deadline`, in milliseconds since the epoch. */
  readonly sessionPolicy: (request: RunRequest, deadline: number) => string;
  readonly sessionName: (run: string) => string;
  /** A new run's id. */
  readonly newRun: () => string;
  readonly clock: Clock;
  /** Told of every skew that was measured, in milliseconds, also of one that is refused. */
  readonly reportSkew: (skewMs: number) => void;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/**
 * The exchange under `trust: cluster`: straight to STS with the projected token. What is worth
 * another try is tried again within ten seconds, with backoff and full jitter.
 */
export const stsExchange = (parts: StsExchangeParts): Exchange => {
  const { clock, random, pause = waitUnref } = parts;
  return async (request, signal) => {
    const run = parts.newRun();
    const giveUpAt = clock.monotonic() + BUDGET_MS;
    let hasReread = false;
    for (let attempt = 0; ; attempt += 1) {
      const outcome = await tryOnce(parts, { request, run, signal });
      if (!(outcome instanceof StsFault)) return outcome;
      signal.throwIfAborted();
      const verdict = verdictOn(outcome);
      const waitMs = random() * Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
      const isLast = verdict === 'final' || (verdict === 'reread' && hasReread);
      if (isLast || clock.monotonic() + waitMs >= giveUpAt) {
        throw toExchangeError(outcome, request.task.role);
      }
      hasReread ||= verdict === 'reread';
      if (verdict === 'retry') await pause(waitMs, signal);
    }
  };
};

const waitUnref = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal, ref: false });
};

type Attempt = { readonly request: RunRequest; readonly run: string; readonly signal: AbortSignal };

/** One attempt: a token read afresh and a deadline of its own. Answers the fault that STS gave. */
const tryOnce = async (
  { assumeRole, readToken, sessionPolicy, sessionName, clock, reportSkew }: StsExchangeParts,
  { request, run, signal }: Attempt,
): Promise<IssuedRun | StsFault> => {
  const { role, lifetimeSeconds } = request.task;
  const token = readToken();
  const durationSeconds = Math.max(SHORTEST_SESSION_SECONDS, lifetimeSeconds);
  const sentAt = clock.now();
  const deadline = Math.floor(sentAt / 1000 + lifetimeSeconds) * 1000;
  const policy = sessionPolicy(request, deadline);
  try {
    const call = { roleArn: role, sessionName: sessionName(run), token, policy, durationSeconds };
    const answer = await assumeRole(call, signal);
    const skewMs = measureSkew(answer, { durationSeconds, sentAt, receivedAt: clock.now() });
    reportSkew(skewMs);
    refuseSkew(skewMs);
    return toIssuedRun(run, answer, { deadline, skewMs });
  } catch (thrown) {
    if (!(thrown instanceof StsFault)) throw thrown;
    // A cloud that quotes the token must not carry it into a message.
    return thrown.message.includes(token)
      ? new StsFault(thrown.code, '', withStatus(thrown.status))
      : thrown;
  }
};

const withStatus = (status: number | undefined) => (status === undefined ? {} : { status });

/**
 * How far the cloud's clock is ahead of ours. It read its clock at some moment between our sending
 * and our receiving: the middle of them errs by half the time that the call took.
 */
const measureSkew = (
  { expiration }: StsAnswer,
  at: { durationSeconds: number; sentAt: number; receivedAt: number },
): number => expiration - at.durationSeconds * 1000 - (at.sentAt + at.receivedAt) / 2;

const refuseSkew = (skewMs: number): void => {
  if (Math.abs(skewMs) <= LARGEST_SKEW_MS) return;
  const seconds = Math.round(skewMs / 1000);
  throw new ExchangeError(
    'refused',
    'clock_skew',
    `The cloud's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this node's; at most ${LARGEST_SKEW_MS / 1000} s are accepted. Set the node's clock right.`,
  );
};

const toIssuedRun = (
  run: string,
  { keys, packedPolicyPercent }: StsAnswer,
  times: { deadline: number; skewMs: number },
): IssuedRun => ({
  run,
  keys,
  ...times,
  ...(packedPolicyPercent === undefined ? {} : { packedPolicyPercent }),
});
