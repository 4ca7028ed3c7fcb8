import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import type { Clock } from '../contract/clock.ts';
import { createLruCache } from '../async/lru-cache.ts';
import { createTokenBuckets } from '../async/token-buckets.ts';

/** Similar refusals are all recorded up to the burst, and then at the sustained rate. */
const BURST = 20;
const PER_SECOND = 0.1;
const CAPACITY = 4_096;

/**
 * Limits how many refusals are recorded: without a limit a client could fill the disk, and nothing is
 * issued when the disk is full. Refusals are similar if pod and code are equal; unverified callers
 * count as one pod. The next record states how many similar refusals were omitted.
 */
export const limitRefusalRecords = (
  record: Recorder,
  { monotonic }: Pick<Clock, 'monotonic'>,
): Recorder => {
  const take = createTokenBuckets({
    perSecond: PER_SECOND,
    burst: BURST,
    capacity: CAPACITY,
    monotonic,
  });
  const omitted = createLruCache<number>(CAPACITY);
  return async (event) => {
    const key = buildLimitKey(event);
    const count = omitted.get(key) ?? 0;
    if (take(key) > 0) {
      omitted.set(key, count + 1);
      return;
    }
    omitted.delete(key);
    try {
      await record(count === 0 ? event : appendOmittedCount(event, count));
    } catch (error) {
      if (count > 0) omitted.set(key, (omitted.get(key) ?? 0) + count);
      throw error;
    }
  };
};

const buildLimitKey = ({ actor, reason = '' }: AuditEvent): string =>
  `${actor?.podUid ?? ''} ${reason}`;

const appendOmittedCount = (event: AuditEvent, count: number): AuditEvent => ({
  ...event,
  message: `${event.message ?? ''} (and ${count} more like it, not recorded)`,
});
