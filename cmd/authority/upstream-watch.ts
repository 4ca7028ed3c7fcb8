import { computeBackoffMs } from '../../lib/async/backoff.ts';
import type { Task } from '../../lib/contract/task.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { findTaskUpstream, type Upstreams } from '../../lib/policy/http-pairs.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import type { WatchSync } from '../../lib/server/watch-sync.ts';
import { parseStoredUpstreams } from '../../lib/upstreams/stored-upstreams.ts';
import type { HttpUpstream } from '../../lib/upstreams/upstream.ts';
import type { OnFailure } from './failures.ts';
import type { WatchResources } from './resource-watch.ts';

export type UpstreamWatch = {
  /**
   * The Upstream of a task of provider `http`, as it is now.
   *
   * @throws RequestError `upstream_unknown`, `upstreams_unavailable`
   */
  readonly find: (task: Task) => HttpUpstream;
  readonly stop: () => void;
};

export type UpstreamWatchDeps = {
  readonly watch: WatchResources;
  readonly staleAfterSeconds: number;
  readonly sync: WatchSync;
  readonly random: () => number;
  readonly onFailure: OnFailure;
};

const RETRY = { firstMs: 500, maxMs: 30_000 };

/** Watches all Upstreams. */
export const watchUpstreams = (deps: UpstreamWatchDeps): UpstreamWatch => {
  const { watch, sync, random, onFailure, staleAfterSeconds } = deps;
  let upstreams: Upstreams | undefined;
  const stop = watch({
    onState: (all) => (upstreams = parseStoredUpstreams(all)),
    onSync: sync.markSynced,
    onError: (error) => onFailure('upstream watch disconnected', error),
    backoffMs: (attempt) => computeBackoffMs(attempt, { ...RETRY, random }),
  });
  return {
    find: (task) => {
      const age = sync.ageSeconds() ?? Infinity;
      if (upstreams === undefined || age > staleAfterSeconds) {
        const message = `upstreams: expected a current list, got none for ${staleAfterSeconds} s`;
        throw new RequestError('upstreams_unavailable', message);
      }
      const found = findTaskUpstream(task, upstreams);
      if (found.ok) return found.value;
      throw new RequestError('upstream_unknown', found.faults.map(formatFieldError).join('\n'));
    },
    stop,
  };
};
