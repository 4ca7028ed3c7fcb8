import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import { createLruCache } from '../async/lru-cache.ts';
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
const HOUR_MS = 3_600_000;

/** Counted refusals of one namespace, with the wall-clock times of the first and the last. */
type Counted = { readonly count: number; readonly from: number; readonly to: number };

/** @param bytesPerHour for each namespace; a burst is as much */
export const createAuditBudget = (
  bytesPerHour: number,
  { now, monotonic }: Pick<Clock, 'now' | 'monotonic'>,
): AuditBudget => {
  const levels = createLruCache<{ readonly level: number; readonly at: number }>(CAPACITY);
  let counted = new Map<string, Counted>();
  const computeLevel = (namespace: string): number => {
    const known = levels.get(namespace);
    if (known === undefined) return bytesPerHour;
    const refilled = (Math.max(0, monotonic() - known.at) / HOUR_MS) * bytesPerHour;
    return Math.min(bytesPerHour, known.level + refilled);
  };
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
      const level = computeLevel(actor.namespace) - bytes;
      levels.set(actor.namespace, { level, at: monotonic() });
    },
    checkBudget: ({ namespace }) => {
      const level = computeLevel(namespace);
      if (level > 0) return;
      const retryAfterMs = Math.ceil(((1 - level) / bytesPerHour) * HOUR_MS);
      throw new RequestError('rate_limited_audit', 'too many audit records of this namespace', {
        retryAfterMs,
      });
    },
    limitRefusals: (record) => async (event) => {
      const namespace = event.actor?.namespace;
      if (namespace === undefined || computeLevel(namespace) > 0) await record(event);
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
