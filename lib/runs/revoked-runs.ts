import { createLruCache } from '../async/lru-cache.ts';
import type { StreamedRevocation } from '../contract/authority-api.ts';
import type { Task } from '../contract/task.ts';
import type { ActiveRun } from './active-runs.ts';
import {
  buildAncestorEndedRefusal,
  buildRunRevokedRefusal,
  type RunRefusal,
} from './run-refusal.ts';
import type { Schedule } from '../contract/schedule.ts';

/** Far more than one pod has revoked runs in an hour. Above it the oldest is forgotten. */
const MAX_REVOKED_RUNS = 256;

type RevokedRun = { readonly consumer: string; readonly refusal: RunRefusal };

/** The active revocations, and the reasons why runs of this pod were revoked. */
export const createRevokedRuns = ({ schedule }: { schedule: Schedule }) => {
  const revokedRuns = createLruCache<RevokedRun>(MAX_REVOKED_RUNS);
  let active: readonly StreamedRevocation[] = [];

  /** The refusal of a run that an active revocation matches, or one above it. */
  const checkRevocation = (
    { run, ancestors = [] }: Pick<ActiveRun, 'run' | 'ancestors'>,
    { name }: Task,
  ): RunRefusal | undefined => {
    const runs = [run, ...ancestors];
    const found = active.find((revocation) =>
      revocation.run === undefined
        ? (revocation.task ?? name) === name
        : runs.includes(revocation.run),
    );
    if (found === undefined) return undefined;
    return ancestors.includes(found.run ?? '')
      ? buildAncestorEndedRefusal(found)
      : buildRunRevokedRefusal(found);
  };

  /** Keeps a revoked run's refusal until the run would have expired. */
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
