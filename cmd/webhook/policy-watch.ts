import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';
import { compilePolicies, type CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';
import { computeBackoffMs } from '../../lib/async/backoff.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';

/** The TaskPolicies that stand, as far as they can be known. */
export type PolicyWatch = {
  /** Or why nothing can be decided, in words for people. */
  readonly current: () => CompiledPolicies | { readonly unknown: string };
  /** Whether they were told of at all. */
  readonly isLoaded: () => boolean;
  /** Since the last word of the watch; nothing before the first. */
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type PolicyWatchDeps = {
  readonly watch: (handlers: {
    readonly onState: (all: readonly CustomResource[]) => void;
    readonly onSync: () => void;
    readonly onError: (error: unknown) => void;
    readonly backoffMs: (attempt: number) => number;
  }) => () => void;
  readonly staleAfterSeconds: number;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly random: () => number;
  readonly log: Log;
};

const RETRY = { firstMs: 500, maxMs: 30_000 };

/** Opens them: watches all, compiles them when one has changed, and swaps the whole set. */
export const watchPolicies = (edges: PolicyWatchDeps): PolicyWatch => {
  const { watch, staleAfterSeconds, clock, random, log } = edges;
  let state: ReturnType<PolicyWatch['current']> = { unknown: 'they were not listed yet' };
  let generationsKey: string | undefined;
  let lastSyncAt: number | undefined;

  const applyPolicies = (all: readonly CustomResource[]): void => {
    const key = buildGenerationsKey(all);
    if (key === generationsKey) return;
    try {
      state = compilePolicies(all.map(toPolicyText));
      generationsKey = key;
      log.info('policies in use', { policies: all.length, version: state.version });
    } catch (error) {
      state = { unknown: 'they could not be compiled' };
      generationsKey = undefined;
      log.error('policies not compiled', toErrorFields(error));
    }
  };
  const ageSeconds = (): number | undefined =>
    lastSyncAt === undefined ? undefined : (clock.monotonic() - lastSyncAt) / 1000;
  const stop = watch({
    onState: applyPolicies,
    onSync: () => (lastSyncAt = clock.monotonic()),
    onError: (error) => log.warn('watch of policies failed', toErrorFields(error)),
    backoffMs: (attempt) => computeBackoffMs(attempt, { ...RETRY, random }),
  });
  return {
    current: () => {
      const age = ageSeconds() ?? Infinity;
      if ('unknown' in state || age <= staleAfterSeconds) return state;
      return { unknown: `the API server told nothing of them for ${Math.floor(age)} s` };
    },
    isLoaded: () => generationsKey !== undefined,
    ageSeconds,
    stop,
  };
};

const buildGenerationsKey = (all: readonly CustomResource[]): string =>
  all
    .map(({ metadata: { uid, generation = 0 } }) => `${uid} ${generation}`)
    .sort()
    .join();
