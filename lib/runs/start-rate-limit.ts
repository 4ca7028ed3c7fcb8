import type { Clock } from '../contract/clock.ts';
import { createTokenBuckets } from '../async/token-buckets.ts';
import { buildStartRateExceededRefusal, type RunRefusal } from './run-refusal.ts';

/**
 * Half of the authority's rate limit of a pod, counting one end report per start: a consumer that
 * starts and completes runs in a loop leaves the other half to the other consumers.
 */
const PER_SECOND = 0.5;
/** More than a consumer's maximum of active runs, so that each of its tasks can start twice at once. */
const BURST = 24;
/** Maximum number of consumers; a pod has fewer. */
const CAPACITY = 1024;

/** Counts one start of a consumer. Returns a refusal if the consumer exceeds its rate. */
export type StartRateLimit = (consumer: string) => RunRefusal | undefined;

/** Limits how often each consumer starts runs. Renewals are free: the task's lifetime limits them. */
export const createStartRateLimit = ({ monotonic }: Pick<Clock, 'monotonic'>): StartRateLimit => {
  const take = createTokenBuckets({
    perSecond: PER_SECOND,
    burst: BURST,
    capacity: CAPACITY,
    monotonic,
  });
  return (consumer) => {
    const retryAfterMs = take(consumer);
    return retryAfterMs === 0 ? undefined : buildStartRateExceededRefusal(retryAfterMs);
  };
};
