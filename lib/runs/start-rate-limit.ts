import type { Clock } from '../contract/clock.ts';
import { createTokenBuckets } from '../async/token-buckets.ts';
import { buildStartRateExceededRefusal, type RunRefusal } from './run-refusal.ts';

/**
 * Half of what the authority lets a pod ask, an end for each start included: a consumer that starts
 * and completes without end leaves as much to its neighbours.
 */
const PER_SECOND = 0.5;
/** More than a consumer may have live at once, so that each of its tasks can start and start again. */
const BURST = 24;
/** Consumers; a pod has fewer. */
const CAPACITY = 1024;

/** Takes one start of a consumer's, or says why there is none. */
export type StartRateLimit = (consumer: string) => RunRefusal | undefined;

/**
 * What each consumer may spend on runs that begin anew. A renewal costs nothing: how often there is
 * one, the task's lifetime says.
 */
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
