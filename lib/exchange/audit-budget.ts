import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import { createBucketLevels } from '../async/token-buckets.ts';
import type { Clock } from '../contract/clock.ts';
import type { Caller } from './caller.ts';
import { RequestError } from './token-refusal.ts';

/**
 * Limits the bytes of audit records that each namespace causes, so that one tenant cannot fill the
 * volume. Refusals of a namespace over its budget become one record per minute, which no budget pays.
 */
export type AuditBudget = {
  /** Call it with each event that was written, and the bytes of its record. */
  readonly charge: (event: AuditEvent, bytes: number) => void;
  /** @throws RequestError `rate_limited_audit` while the namespace of the caller is over its budget */
  readonly checkBudget: (caller: Pick<Caller, 'namespace'>) => void;
  /** Wraps a recorder of refusals: those of a namespace over its budget are only counted. */
  readonly limitRefusals: (record: Recorder) => Recorder;
  /** One event for each namespace with counted refusals since the last call. */
  readonly takeCounted: () => readonly AuditEvent[];
};

const CAPACITY = 4_096;
const HOUR_SECONDS = 3_600;

/** Counted refusals of one namespace, with the wall-clock times of the first and the last. */
type Counted = { readonly count: number; readonly from: number; readonly to: number };

/** @param bytesPerHour for each namespace; a burst is as much */
export const createAuditBudget = (
  bytesPerHour: number,
  { now, monotonic }: Pick<Clock, 'now' | 'monotonic'>,
): AuditBudget => {
  // A record is charged when it is written, so that a namespace may owe what its last ones took.
  const levels = createBucketLevels({
    perSecond: bytesPerHour / HOUR_SECONDS,
    burst: bytesPerHour,
    capacity: CAPACITY,
    monotonic,
  });
  let counted = new Map<string, Counted>();
  const count = (namespace: string): void => {
    const isKnown = counted.has(namespace) || counted.size < CAPACITY;
    const key = isKnown ? namespace : OTHER_NAMESPACES;
    const at = now();
    const known = counted.get(key) ?? { count: 0, from: at };
    counted.set(key, { count: known.count + 1, from: known.from, to: at });
  };
  return {
    charge: ({ actor }, bytes) => {
      if (actor === undefined) return;
      const { level, at } = levels.read(actor.namespace);
      levels.set(actor.namespace, { level: level - bytes, at });
    },
    checkBudget: ({ namespace }) => {
      const { level } = levels.read(namespace);
      if (level > 0) return;
      const retryAfterMs = levels.computeWaitMs(level, 1);
      throw new RequestError('rate_limited_audit', 'too many audit records of this namespace', {
        retryAfterMs,
      });
    },
    limitRefusals: (record) => async (event) => {
      const namespace = event.actor?.namespace;
      if (namespace === undefined || levels.read(namespace).level > 0) await record(event);
      else count(namespace);
    },
    takeCounted: () => {
      const taken = [...counted];
      counted = new Map();
      return taken.map(([namespace, counts]) => buildCountedEvent(namespace, counts));
    },
  };
};

/** Not a name of a namespace. */
const OTHER_NAMESPACES = '*';

const buildCountedEvent = (namespace: string, { count, from, to }: Counted): AuditEvent => ({
  kind: 'run.refused',
  at: to,
  reason: 'rate_limited_audit',
  message: `${count} refused requests of namespace ${namespace}, which is over its budget of records`,
  counted: { namespace, count, from, to },
});
