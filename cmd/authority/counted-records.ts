import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { AuditEvent, Recorder } from '../../lib/audit/audit-event.ts';
import type { OnFailure } from './failures.ts';

export type CountedRecords = {
  /** Records what was counted until now. @throws AuditError: what is left is recorded later */
  readonly recordCounted: () => Promise<void>;
  readonly stop: () => void;
};

const RETRY = { firstMs: 250, maxMs: 10_000 };
const EVERY_MS = 60_000;

/**
 * Records once a minute how many refusals of each namespace were only counted, and what could not be recorded
 * before.
 *
 * @param takeCounted takes what is to be recorded
 */
export const startCountedRecords = ({
  takeCounted,
  record,
  onFailure,
  random,
}: {
  readonly takeCounted: () => readonly AuditEvent[];
  readonly record: Recorder;
  readonly onFailure: OnFailure;
  readonly random: () => number;
}): CountedRecords => {
  const pending: AuditEvent[] = [];
  const recordPending = async (): Promise<void> => {
    for (let event = pending.shift(); event !== undefined; event = pending.shift()) {
      await recordOrKeep(event, pending, record);
    }
  };
  const recordCounted = async (): Promise<void> => {
    await recordPending();
    // Not before: while records fail, the budget counts on, and nothing accumulates here.
    pending.push(...takeCounted());
    await recordPending();
  };
  const loop = startReconcileLoop({
    reconcile: async () => {
      await recordCounted();
      return EVERY_MS;
    },
    onFailure: (error) => onFailure('counted refusals not recorded yet', error),
    retry: RETRY,
    random,
  });
  return { recordCounted, stop: loop.stop };
};

const recordOrKeep = async (
  event: AuditEvent,
  pending: AuditEvent[],
  record: Recorder,
): Promise<void> => {
  try {
    await record(event);
  } catch (error) {
    pending.unshift(event);
    throw error;
  }
};
