import type { Log } from '../../lib/contract/log.ts';
import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';
import { compilePolicies, type CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { buildSpecsKey } from '../../lib/server/spec-keys.ts';
import { createWatchBackoff } from '../../lib/server/watch-backoff.ts';
import type { WatchSync } from '../../lib/server/watch-sync.ts';

/** The current TaskPolicies. */
export type PolicyWatch = {
  /** The compiled policies, or why they are not known, as text. */
  readonly current: () => CompiledPolicies | { readonly unknown: string };
  /** Whether the policies were listed. */
  readonly isLoaded: () => boolean;
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
  readonly sync: WatchSync;
  readonly random: () => number;
  readonly log: Log;
};

/** Watches all TaskPolicies, and compiles and replaces the whole set when one changes. */
export const watchPolicies = (deps: PolicyWatchDeps): PolicyWatch => {
  const { watch, staleAfterSeconds, sync, random, log } = deps;
  let state: ReturnType<PolicyWatch['current']> = { unknown: 'the policies are not listed yet' };
  let specsKey: string | undefined;

  const applyPolicies = (all: readonly CustomResource[]): void => {
    const key = buildSpecsKey(all);
    if (key === specsKey) return;
    try {
      state = compilePolicies(all.map(toPolicyText));
      specsKey = key;
      log.info('policies loaded', { policies: all.length, version: state.version });
    } catch (error) {
      state = { unknown: 'the policies could not be compiled' };
      specsKey = undefined;
      log.error('policy compilation failed', toErrorFields(error));
    }
  };
  const stop = watch({
    onState: applyPolicies,
    onSync: sync.markSynced,
    onError: (error) => log.warn('policy watch failed', toErrorFields(error)),
    backoffMs: createWatchBackoff(random),
  });
  return {
    current: () => {
      const age = sync.ageSeconds() ?? Infinity;
      if ('unknown' in state || age <= staleAfterSeconds) return state;
      return { unknown: `the API server sent no update of the policies for ${Math.floor(age)} s` };
    },
    isLoaded: () => specsKey !== undefined,
    stop,
  };
};
