import type { AuditEvent, Recorder } from '../../lib/audit/audit-event.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { OnFailure } from './failures.ts';

export type AuditQueue = {
  readonly add: (events: readonly AuditEvent[]) => void;
  readonly stop: () => void;
};

const RETRY = { firstMs: 250, maxMs: 10_000 };
const DAY_MS = 86_400_000;

/**
 * Queues audit records of changes that others made, in order. The changes are effective whether or
 * not they are recorded, so only the records wait for a disk that fails.
 */
export const createAuditQueue = ({
  record,
  random,
  onFailure,
}: {
  readonly record: Recorder;
  readonly random: () => number;
  readonly onFailure: OnFailure;
}): AuditQueue => {
  const pending: AuditEvent[] = [];
  const reconcile = async (): Promise<number> => {
    for (let [event] = pending; event !== undefined; [event] = pending) {
      await record(event);
      pending.shift();
    }
    return DAY_MS;
  };
  const loop = startReconcileLoop({
    reconcile,
    onFailure: (error) => onFailure('observed change not recorded yet', error),
    retry: RETRY,
    random,
  });
  return {
    add: (events) => {
      if (events.length === 0) return;
      pending.push(...events);
      loop.wake();
    },
    stop: loop.stop,
  };
};
