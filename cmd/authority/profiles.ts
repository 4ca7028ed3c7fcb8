import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { StoredConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import type { AcceptedProfiles } from '../../lib/injection/profile.ts';
import { readProfiles } from '../../lib/injection/published-profiles.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import { backoffMs } from '../../lib/rounds/loop.ts';
import { errorFields } from './error-fields.ts';

/** The profiles that live pods may have been injected from; the webhook's to write, ours to read. */
export type Profiles = {
  /** Nothing before the watch has told anything. */
  readonly known: () => AcceptedProfiles | undefined;
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type WatchProfiles = (handlers: {
  readonly onState: (state: StoredConfigMap | undefined) => void;
  readonly onError: (error: unknown) => void;
  readonly backoffMs: (attempt: number) => number;
}) => () => void;

const RETRY = { firstMs: 500, mostMs: 30_000 };

export const watchPublishedProfiles = (
  watch: WatchProfiles,
  { clock, random, log }: { clock: Clock; random: () => number; log: Log },
): Profiles => {
  let known: AcceptedProfiles | undefined;
  let toldAt: number | undefined;
  const stop = watch({
    onState: (state) => {
      const { profiles, faults } = readProfiles(state?.data ?? {});
      known = profiles;
      toldAt = clock.monotonic();
      if (faults.length > 0) log.warn('profiles refused', { faults: faults.map(describeFault) });
    },
    onError: (error) => log.warn('watch of profiles failed', errorFields(error)),
    backoffMs: (attempt) => backoffMs(attempt, { ...RETRY, random }),
  });
  return {
    known: () => known,
    ageSeconds: () => (toldAt === undefined ? undefined : (clock.monotonic() - toldAt) / 1000),
    stop,
  };
};
