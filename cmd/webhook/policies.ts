import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';
import { openPolicies, type CompiledPolicies } from '../../lib/policy/policies.ts';
import { policyTextOf } from '../../lib/policy/policy-text.ts';
import { backoffMs } from '../../lib/rounds/loop.ts';
import { errorFields } from './error-fields.ts';

/** The TaskPolicies that stand, as far as they can be known. */
export type Policies = {
  /** Or why nothing can be decided, in words for people. */
  readonly current: () => CompiledPolicies | { readonly unknown: string };
  /** Whether they were told of at all. */
  readonly isKnown: () => boolean;
  /** Since the last word of the watch; nothing before the first. */
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type PoliciesEdges = {
  readonly watch: (handlers: {
    readonly onState: (all: readonly CustomResource[]) => void;
    readonly onHeard: () => void;
    readonly onError: (error: unknown) => void;
    readonly backoffMs: (attempt: number) => number;
  }) => () => void;
  readonly staleAfterSeconds: number;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly random: () => number;
  readonly log: Log;
};

const RETRY = { firstMs: 500, mostMs: 30_000 };

/** Opens them: watches all, compiles them when one has changed, and swaps the whole set. */
export const watchPolicies = (edges: PoliciesEdges): Policies => {
  const { watch, staleAfterSeconds, clock, random, log } = edges;
  let state: ReturnType<Policies['current']> = { unknown: 'they were not listed yet' };
  let editions: string | undefined;
  let heardAt: number | undefined;

  const learn = (all: readonly CustomResource[]): void => {
    const found = editionsOf(all);
    if (found === editions) return;
    try {
      state = openPolicies(all.map(policyTextOf));
      editions = found;
      log.info('policies in use', { policies: all.length, version: state.version });
    } catch (error) {
      state = { unknown: 'they could not be compiled' };
      editions = undefined;
      log.error('policies not compiled', errorFields(error));
    }
  };
  const ageSeconds = (): number | undefined =>
    heardAt === undefined ? undefined : (clock.monotonic() - heardAt) / 1000;
  const stop = watch({
    onState: learn,
    onHeard: () => (heardAt = clock.monotonic()),
    onError: (error) => log.warn('watch of policies failed', errorFields(error)),
    backoffMs: (attempt) => backoffMs(attempt, { ...RETRY, random }),
  });
  return {
    current: () => {
      const age = ageSeconds() ?? Infinity;
      if ('unknown' in state || age <= staleAfterSeconds) return state;
      return { unknown: `the API server told nothing of them for ${Math.floor(age)} s` };
    },
    isKnown: () => editions !== undefined,
    ageSeconds,
    stop,
  };
};

const editionsOf = (all: readonly CustomResource[]): string =>
  all
    .map(({ metadata: { uid, generation = 0 } }) => `${uid} ${generation}`)
    .sort()
    .join();
