import type { Recorder } from '../../lib/audit/record.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { IssuingError } from '../../lib/issuing/refusal.ts';
import type { PolicyText } from '../../lib/policy/findings.ts';
import { policyTextOf } from '../../lib/policy/policy-text.ts';
import type { CompiledPolicies } from '../../lib/policy/policies.ts';
import { backoffMs } from '../../lib/rounds/loop.ts';
import type { OnFailure } from './failures.ts';
import { openLaterRecords } from './later-records.ts';
import { policyChanges } from './policy-records.ts';
import { editionOf, openStatuses, type StatusEdges, type StoredPolicy } from './policy-status.ts';
import type { WatchAll } from './watching.ts';

/** The policies that stand, compiled. */
export type TaskPolicies<P extends CompiledPolicies> = {
  /** @throws IssuingError `policy_unavailable`: not known, for too long unheard of, or unreadable */
  readonly current: () => P;
  readonly isCurrent: () => boolean;
  /** Since the last word of the watch; nothing before the first. */
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type TaskPoliciesEdges<P extends CompiledPolicies> = Pick<StatusEdges, 'writeStatus'> & {
  readonly watch: WatchAll<StoredPolicy>;
  readonly compile: (policies: readonly PolicyText[]) => P;
  readonly record: Recorder;
  readonly staleAfterSeconds: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  /** How many TaskPolicies stand, and how many of them are invalid. */
  readonly onCount: (counts: { readonly total: number; readonly invalid: number }) => void;
};

const RETRY = { firstMs: 500, mostMs: 30_000 };

/** Opens them: watches all, compiles what changed once, swaps the whole set, says on each what it is. */
export const openTaskPolicies = <P extends CompiledPolicies>(
  edges: TaskPoliciesEdges<P>,
): TaskPolicies<P> => {
  const { clock, random, onFailure, staleAfterSeconds } = edges;
  const records = openLaterRecords(edges);
  let state: { readonly all: readonly StoredPolicy[]; readonly compiled: P } | undefined;
  let fault = 'policies: expected to be listed, got no list yet';
  let heardAt: number | undefined;

  const learn = (all: readonly StoredPolicy[]): void => {
    if (state !== undefined && editionsOf(all) === editionsOf(state.all)) {
      state = { ...state, all };
    } else {
      try {
        const compiled = edges.compile(all.map(policyTextOf));
        records.add(policyChanges(state?.all, { all, compiled, at: clock.now() }));
        state = { all, compiled };
      } catch (error) {
        state = undefined;
        fault = 'policies: expected to be compiled, got an error';
        onFailure('policies not compiled: everything is denied', error);
        return;
      }
      const invalid = state.compiled.findings.filter(({ faults }) => faults.length > 0).length;
      edges.onCount({ total: all.length, invalid });
    }
    statuses.wake();
  };
  const statuses = openStatuses(edges, () => ({
    all: state?.all ?? [],
    findings: state?.compiled.findings ?? [],
  }));
  const ageSeconds = (): number | undefined =>
    heardAt === undefined ? undefined : (clock.monotonic() - heardAt) / 1000;
  const current = (): P => {
    const age = ageSeconds() ?? Infinity;
    if (state === undefined) throw new IssuingError('policy_unavailable', fault);
    if (age <= staleAfterSeconds) return state.compiled;
    const limit = `policies: expected word within ${staleAfterSeconds} s`;
    throw new IssuingError('policy_unavailable', `${limit}, got none for ${Math.floor(age)} s`);
  };
  const stopWatch = edges.watch({
    onState: learn,
    onHeard: () => (heardAt = clock.monotonic()),
    onError: (error) => onFailure('watch of policies failed', error),
    backoffMs: (attempt) => backoffMs(attempt, { ...RETRY, random }),
  });

  return {
    current,
    isCurrent: () => state !== undefined && (ageSeconds() ?? Infinity) <= staleAfterSeconds,
    ageSeconds,
    stop: () => {
      stopWatch();
      statuses.stop();
      records.stop();
    },
  };
};

const editionsOf = (all: readonly StoredPolicy[]): string => all.map(editionOf).sort().join();
