import { createLruCache } from '../async/lru-cache.ts';
import type { StreamedRevocation } from '../contract/authority-api.ts';
import type { Task } from '../contract/task.ts';
import type { ActiveRun } from './active-runs.ts';
import { buildRunRevokedRefusal, type RunRefusal } from './run-refusal.ts';
import type { Schedule } from '../contract/schedule.ts';

/** Far more than a pod revokes in an hour; past it the oldest is answered as if it never was. */
const MAX_REVOKED_RUNS = 256;

type RevokedRun = { readonly consumer: string; readonly refusal: RunRefusal };

/** What is revoked now, and why runs of ours were. */
export const createRevokedRuns = ({ schedule }: { schedule: Schedule }) => {
  const revokedRuns = createLruCache<RevokedRun>(MAX_REVOKED_RUNS);
  let active: readonly StreamedRevocation[] = [];

  /** Why a run may not be, if it may not. */
  const checkRevocation = (run: string, { name }: Task): RunRefusal | undefined => {
    const found = active.find((one) =>
      one.run === undefined ? (one.task ?? name) === name : one.run === run,
    );
    return found && buildRunRevokedRefusal(found);
  };

  /** Keeps the reason for those who ask for the run, until it would have ended. */
  const add = (
    { run, consumer }: ActiveRun,
    { refusal, forMs }: { refusal: RunRefusal; forMs: number },
  ): void => {
    revokedRuns.set(run, { consumer, refusal });
    schedule(forMs, () => revokedRuns.delete(run));
  };

  const findRefusal = (consumer: string, run: string): RunRefusal | undefined => {
    const found = revokedRuns.get(run);
    return found?.consumer === consumer ? found.refusal : undefined;
  };

  return {
    checkRevocation,
    add,
    findRefusal,
    replace: (next: readonly StreamedRevocation[]): void => void (active = next),
  };
};
