import type { Upstreams } from '../../lib/policy/upstream-pairs.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { createWatchBackoff } from '../../lib/server/watch-backoff.ts';
import { parseStoredUpstreams } from '../../lib/upstreams/stored-upstreams.ts';
import type { PolicyWatchDeps } from './policy-watch.ts';

/** The current Upstreams. */
export type UpstreamWatch = {
  /** The Upstreams, or why they are not known, as text. */
  readonly current: () => Upstreams | { readonly unknown: string };
  readonly stop: () => void;
};

/** Watches all Upstreams. */
export const watchUpstreams = (deps: PolicyWatchDeps): UpstreamWatch => {
  const { watch, staleAfterSeconds, sync, random, log } = deps;
  let state: Upstreams | undefined;
  const stop = watch({
    onState: (all) => (state = parseStoredUpstreams(all)),
    onSync: sync.markSynced,
    onError: (error) => log.warn('upstream watch failed', toErrorFields(error)),
    backoffMs: createWatchBackoff(random),
  });
  return {
    current: () => {
      if (state === undefined) return { unknown: 'the Upstreams are not listed yet' };
      const age = sync.ageSeconds() ?? Infinity;
      return age <= staleAfterSeconds
        ? state
        : { unknown: `the API server sent no update of the Upstreams for ${Math.floor(age)} s` };
    },
    stop,
  };
};
