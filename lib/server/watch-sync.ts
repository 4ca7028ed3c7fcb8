import type { Clock } from '../contract/clock.ts';

/** When a watch last confirmed that its state is complete and current. */
export type WatchSync = {
  readonly markSynced: () => void;
  /** Seconds since the last confirmation; undefined before the first. */
  readonly ageSeconds: () => number | undefined;
};

export const createWatchSync = ({ monotonic }: Pick<Clock, 'monotonic'>): WatchSync => {
  let lastSyncAt: number | undefined;
  return {
    markSynced: () => (lastSyncAt = monotonic()),
    ageSeconds: () => (lastSyncAt === undefined ? undefined : (monotonic() - lastSyncAt) / 1000),
  };
};
