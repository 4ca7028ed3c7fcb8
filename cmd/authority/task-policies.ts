import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { IssuingError } from '../../lib/exchange/token-refusal.ts';
import type { PolicyText } from '../../lib/policy/policy-findings.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { computeBackoffMs } from '../../lib/async/backoff.ts';
import type { OnFailure } from './failures.ts';
import { createAuditQueue } from './audit-queue.ts';
import { buildPolicyEvents } from './policy-records.ts';
import {
  buildGenerationKey,
  startStatusWriter,
  type PolicyStatusDeps,
  type StoredPolicy,
} from './policy-status.ts';
import type { WatchResources } from './resource-watch.ts';

/** The policies that stand, compiled. */
export type TaskPolicies<P extends CompiledPolicies> = {
  /** @throws IssuingError `policy_unavailable`: not known, for too long unheard of, or unreadable */
  readonly current: () => P;
  readonly isCurrent: () => boolean;
  /** Since the last word of the watch; nothing before the first. */
  readonly ageSeconds: () => number | undefined;
  readonly stop: () => void;
};

export type TaskPoliciesDeps<P extends CompiledPolicies> = Pick<PolicyStatusDeps, 'writeStatus'> & {
  readonly watch: WatchResources<StoredPolicy>;
  readonly compile: (policies: readonly PolicyText[]) => P;
  readonly record: Recorder;
  readonly staleAfterSeconds: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  /** How many TaskPolicies stand, and how many of them are invalid. */
  readonly onCount: (counts: { readonly total: number; readonly invalid: number }) => void;
};

const RETRY = { firstMs: 500, maxMs: 30_000 };

/** Opens them: watches all, compiles what changed once, swaps the whole set, says on each what it is. */
export const watchTaskPolicies = <P extends CompiledPolicies>(
  edges: TaskPoliciesDeps<P>,
): TaskPolicies<P> => {
  const { clock, random, onFailure, staleAfterSeconds } = edges;
  const records = createAuditQueue(edges);
  let state: { readonly all: readonly StoredPolicy[]; readonly compiled: P } | undefined;
  let fault = 'policies: expected to be listed, got no list yet';
  let lastSyncAt: number | undefined;

  const applyPolicies = (all: readonly StoredPolicy[]): void => {
    if (state !== undefined && buildGenerationsKey(all) === buildGenerationsKey(state.all)) {
      state = { ...state, all };
    } else {
      try {
        const compiled = edges.compile(all.map(toPolicyText));
        records.add(buildPolicyEvents(state?.all, { all, compiled, at: clock.now() }));
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
  const statuses = startStatusWriter(edges, () => ({
    all: state?.all ?? [],
    findings: state?.compiled.findings ?? [],
  }));
  const ageSeconds = (): number | undefined =>
    lastSyncAt === undefined ? undefined : (clock.monotonic() - lastSyncAt) / 1000;
  const current = (): P => {
    const age = ageSeconds() ?? Infinity;
    if (state === undefined) throw new IssuingError('policy_unavailable', fault);
    if (age <= staleAfterSeconds) return state.compiled;
    const limit = `policies: expected word within ${staleAfterSeconds} s`;
    throw new IssuingError('policy_unavailable', `${limit}, got none for ${Math.floor(age)} s`);
  };
  const stopWatch = edges.watch({
    onState: applyPolicies,
    onSync: () => (lastSyncAt = clock.monotonic()),
    onError: (error) => onFailure('watch of policies failed', error),
    backoffMs: (attempt) => computeBackoffMs(attempt, { ...RETRY, random }),
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

const buildGenerationsKey = (all: readonly StoredPolicy[]): string =>
  all.map(buildGenerationKey).sort().join();
