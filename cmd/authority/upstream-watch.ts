import type { Task } from '../../lib/contract/task.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { findTaskUpstream, type Upstreams } from '../../lib/policy/upstream-pairs.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { buildSpecsKey } from '../../lib/server/spec-keys.ts';
import { createWatchBackoff } from '../../lib/server/watch-backoff.ts';
import type { WatchSync } from '../../lib/server/watch-sync.ts';
import { parseStoredUpstreams } from '../../lib/upstreams/stored-upstreams.ts';
import type { HttpUpstream, PostgresUpstream, Upstream } from '../../lib/upstreams/upstream.ts';
import type { OnFailure } from './failures.ts';
import type { WatchResources } from './resource-watch.ts';
import type { StoredObject } from './stored-objects.ts';
import { startUpstreamStatus, type UpstreamStatusDeps } from './upstream-status.ts';

export type UpstreamWatch = {
  /**
   * The Upstream of a task of another provider than `aws`, as it is now.
   *
   * @throws RequestError `upstream_unknown`, `upstreams_unavailable`
   */
  readonly find: (task: Task) => Upstream;
  /** All database servers; none before the first list. */
  readonly listDatabases: () => readonly PostgresUpstream[];
  /** Calls `listener` after each change of them; returns the unsubscribe function. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The Upstream of this name, as it was last seen. */
  readonly get: (name: string) => HttpUpstream | undefined;
  readonly stop: () => void;
};

export type UpstreamWatchDeps = {
  readonly watch: WatchResources<StoredObject>;
  readonly status: UpstreamStatusDeps;
  readonly staleAfterSeconds: number;
  readonly sync: WatchSync;
  readonly random: () => number;
  readonly onFailure: OnFailure;
};

/** Watches all Upstreams. */
export const watchUpstreams = (deps: UpstreamWatchDeps): UpstreamWatch => {
  const { watch, sync, random, onFailure, staleAfterSeconds } = deps;
  const listeners = new Set<() => void>();
  let upstreams: Upstreams | undefined;
  let stored: readonly StoredObject[] = [];
  let seen = '';
  const status = startUpstreamStatus(deps.status, () => stored);
  const stop = watch({
    onState: (all) => {
      upstreams = parseStoredUpstreams(all);
      const key = buildSpecsKey(all);
      stored = all;
      // What this writes itself must not start another pass.
      if (key === seen) return;
      seen = key;
      status.wake();
      for (const listener of listeners) listener();
    },
    onSync: sync.markSynced,
    onError: (error) => onFailure('upstream watch disconnected', error),
    backoffMs: createWatchBackoff(random),
  });
  const requireCurrent = (): Upstreams => {
    const age = sync.ageSeconds() ?? Infinity;
    if (upstreams !== undefined && age <= staleAfterSeconds) return upstreams;
    const message = `upstreams: expected a current list, got none for ${staleAfterSeconds} s`;
    throw new RequestError('upstreams_unavailable', message);
  };
  return {
    listDatabases: () =>
      [...(upstreams?.values() ?? [])].filter((each) => each.kind === 'postgres'),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    find: (task) => {
      const found = findTaskUpstream(task, requireCurrent());
      if (found.ok) return found.value;
      throw new RequestError('upstream_unknown', found.faults.map(formatFieldError).join('\n'));
    },
    get: (name) => {
      const upstream = upstreams?.get(name);
      return upstream?.kind === 'http' ? upstream : undefined;
    },
    stop: () => {
      stop();
      status.stop();
    },
  };
};
