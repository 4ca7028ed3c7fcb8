import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import type { Clock } from '../contract/clock.ts';
import { createLruCache } from '../async/lru-cache.ts';
import { createTokenBuckets } from '../async/token-buckets.ts';

/** A burst of refusals of one kind is recorded whole, what comes after it now and then. */
const BURST = 20;
const PER_SECOND = 0.1;
const CAPACITY = 4_096;

/**
 * Records refusals, bounded: or a flood of them would fill the disk, and a full disk issues nothing.
 * Of each kind (pod and code; strangers share one each code) what was left out is counted, and told
 * by the next record.
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
    const kind = buildLimitKey(event);
    const count = omitted.get(kind) ?? 0;
    if (take(kind) > 0) {
      omitted.set(kind, count + 1);
      return;
    }
    omitted.delete(kind);
    await record(count === 0 ? event : appendOmittedCount(event, count));
  };
};

const buildLimitKey = ({ actor, reason = '' }: AuditEvent): string =>
  `${actor?.podUid ?? ''} ${reason}`;

const appendOmittedCount = (event: AuditEvent, count: number): AuditEvent => ({
  ...event,
  message: `${event.message ?? ''} (and ${count} more like it, not recorded)`,
});
