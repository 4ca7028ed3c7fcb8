import type { Schedule } from '../contract/schedule.ts';
import type { ActiveRun } from './active-runs.ts';
import { runEndedBeforeUse, type RunRefusal } from './run-refusal.ts';

export type RunResult = ActiveRun | RunRefusal;

/**
 * How long a request waits for an exchange. The difference to the time that the client reads is for both
 * directions on a busy node.
 */
export const RESPONSE_TIMEOUT_MS = {
  /** The AWS SDK for Java reads for 1 s. */
  java: 850,
  /** botocore reads for 2 s. Those of the others that read for less ask again after a timeout. */
  other: 1800,
} as const;

/**
 * Returns how long to wait for an exchange, in milliseconds. A client that never retries gets its first
 * credentials only if its one request outlasts the exchange, so the wait is as long as the client reads.
 *
 * @param userAgent the header `User-Agent`. It only selects between two waits, so it may be forged
 */
export const chooseResponseTimeoutMs = (userAgent: string | undefined): number =>
  JAVA_SDK.test(userAgent ?? '') ? RESPONSE_TIMEOUT_MS.java : RESPONSE_TIMEOUT_MS.other;

/** A product of the header, at its start or after others: applications may put their own name first. */
const JAVA_SDK = /(?:^|\s)aws-sdk-java\//i;

/**
 * Waits for an exchange.
 *
 * @param getProgress builds the answer after `timeoutMs`; the exchange continues
 */
export const waitForAnswer = (
  answer: Promise<RunResult>,
  {
    timeoutMs,
    schedule,
    getProgress,
  }: { timeoutMs: number; schedule: Schedule; getProgress: () => RunRefusal },
): Promise<RunResult> =>
  new Promise((resolve) => {
    const cancel = schedule(timeoutMs, () => resolve(getProgress()));
    void answer.then((result) => {
      cancel();
      resolve(result);
    });
  });

/**
 * Milliseconds for which a refusal is kept, so that a burst of callers costs one exchange. A run is
 * not kept here, and neither is a refusal that says nothing about the next attempt.
 */
export const computeRetentionMs = (answer: RunResult): number =>
  answer.kind === 'refusal' && answer.code !== runEndedBeforeUse.code
    ? (answer.retryAfterMs ?? 0)
    : 0;
