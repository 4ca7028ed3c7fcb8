import type { StreamedRevocation } from '../contract/authority.ts';
import type { Task } from '../contract/task.ts';
import type { LiveRun } from './live-runs.ts';
import { runRevoked, type Refusal } from './refusal.ts';
import type { Schedule } from './schedule.ts';

/** Far more than a pod revokes in an hour; past it the oldest is answered as if it never was. */
const MAX_REMEMBERED = 256;

type Remembered = { readonly consumer: string; readonly refusal: Refusal };

/** What is revoked now, and why runs of ours were. */
export const openRevokedRuns = ({ schedule }: { schedule: Schedule }) => {
  const remembered = new Map<string, Remembered>();
  let active: readonly StreamedRevocation[] = [];

  /** Why a run may not be, if it may not. */
  const refusalOf = (run: string, { name }: Task): Refusal | undefined => {
    const found = active.find((one) =>
      one.run === undefined ? (one.task ?? name) === name : one.run === run,
    );
    return found && runRevoked(found);
  };

  /** Keeps the reason for those who ask for the run, until it would have ended. */
  const remember = (
    { run, consumer }: LiveRun,
    { refusal, forMs }: { refusal: Refusal; forMs: number },
  ): void => {
    const [oldest] = remembered.keys();
    if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    remembered.set(run, { consumer, refusal });
    schedule(forMs, () => remembered.delete(run));
  };

  const why = (consumer: string, run: string): Refusal | undefined => {
    const found = remembered.get(run);
    return found?.consumer === consumer ? found.refusal : undefined;
  };

  return {
    refusalOf,
    remember,
    why,
    replace: (next: readonly StreamedRevocation[]): void => void (active = next),
  };
};
