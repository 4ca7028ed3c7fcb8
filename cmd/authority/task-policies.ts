import type { AuditEvent, Recorder } from '../../lib/audit/audit-event.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import type { PolicyText } from '../../lib/policy/policy-findings.ts';
import { toPolicyText } from '../../lib/policy/policy-text.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { getExceptionEnd } from '../../lib/policy/vend-exceptions.ts';
import type { PolicyEnd } from '../../lib/edge/telemetry/authority-metrics.ts';
import { buildSpecKey, buildSpecsKey } from '../../lib/server/spec-keys.ts';
import { createWatchBackoff } from '../../lib/server/watch-backoff.ts';
import type { WatchSync } from '../../lib/server/watch-sync.ts';
import type { OnFailure } from './failures.ts';
import { createAuditQueue } from './audit-queue.ts';
import { startStatusWriter, type PolicyStatusDeps } from './policy-status.ts';
import type { WatchResources } from './resource-watch.ts';
import type { StoredObject } from './stored-objects.ts';

/** The current policies, compiled. */
export type TaskPolicies<P extends CompiledPolicies> = {
  /** @throws RequestError `policy_unavailable` if they are not loaded, stale or not compiled */
  readonly current: () => P;
  readonly isCurrent: () => boolean;
  /** Version of the set that was compiled last; undefined if there is none. */
  readonly getVersion: () => string | undefined;
  /** Calls `listener` after each new set; returns the unsubscribe function. */
  readonly subscribe: (listener: () => void) => () => void;
  readonly stop: () => void;
};

export type TaskPoliciesDeps<P extends CompiledPolicies> = Pick<PolicyStatusDeps, 'writeStatus'> & {
  readonly watch: WatchResources<StoredObject>;
  readonly compile: (policies: readonly PolicyText[]) => P;
  readonly record: Recorder;
  readonly staleAfterSeconds: number;
  readonly sync: WatchSync;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  /** The ends of all permits that have one, of each new set. */
  readonly onExceptions: (exceptions: readonly PolicyEnd[]) => void;
  /** Number of TaskPolicies, and how many of them are invalid. */
  readonly onCount: (counts: { readonly total: number; readonly invalid: number }) => void;
};

/** Watches all TaskPolicies, compiles each new set once, and writes the findings to their status. */
export const watchTaskPolicies = <P extends CompiledPolicies>(
  deps: TaskPoliciesDeps<P>,
): TaskPolicies<P> => {
  const { sync, clock, random, onFailure, staleAfterSeconds } = deps;
  const records = createAuditQueue(deps);
  let state: { readonly all: readonly StoredObject[]; readonly compiled: P } | undefined;
  const listeners = new Set<() => void>();
  let fault = 'policies: expected to be listed, got no list yet';

  const applyPolicies = (all: readonly StoredObject[]): void => {
    if (state !== undefined && buildSpecsKey(all) === buildSpecsKey(state.all)) {
      state = { ...state, all };
    } else {
      try {
        const compiled = deps.compile(all.map(toPolicyText));
        records.add(buildPolicyEvents(state?.all, { all, compiled, at: clock.now() }));
        state = { all, compiled };
      } catch (error) {
        state = undefined;
        fault = 'policies: expected to be compiled, got an error';
        onFailure('policies not compiled: every run is denied', error);
        return;
      }
      const invalid = state.compiled.findings.filter(({ faults }) => faults.length > 0).length;
      deps.onCount({ total: all.length, invalid });
      deps.onExceptions(listPolicyEnds(state.compiled));
      listeners.forEach((listener) => listener());
    }
    statuses.wake();
  };
  const statuses = startStatusWriter(deps, () => ({
    all: state?.all ?? [],
    findings: state?.compiled.findings ?? [],
  }));
  const current = (): P => {
    const age = sync.ageSeconds() ?? Infinity;
    if (state === undefined) throw new RequestError('policy_unavailable', fault);
    if (age <= staleAfterSeconds) return state.compiled;
    const limit = `policies: expected an update within ${staleAfterSeconds} s`;
    throw new RequestError('policy_unavailable', `${limit}, got none for ${Math.floor(age)} s`);
  };
  const stopWatch = deps.watch({
    onState: applyPolicies,
    onSync: sync.markSynced,
    onError: (error) => onFailure('policy watch disconnected', error),
    backoffMs: createWatchBackoff(random),
  });

  return {
    current,
    isCurrent: () => state !== undefined && (sync.ageSeconds() ?? Infinity) <= staleAfterSeconds,
    getVersion: () => state?.compiled.version,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: () => {
      stopWatch();
      statuses.stop();
      records.stop();
    },
  };
};

const listPolicyEnds = ({ exceptions }: CompiledPolicies): readonly PolicyEnd[] =>
  Object.entries(exceptions).map(([policy, each]) => ({ policy, endsAt: getExceptionEnd(each) }));

/** Entity name for all policies; no TaskPolicy can have it. */
const ALL_POLICIES = '*';

/** The audit records of a new set. A replica that starts records the existing policies as one. */
const buildPolicyEvents = (
  before: readonly StoredObject[] | undefined,
  { all, compiled, at }: { all: readonly StoredObject[]; compiled: CompiledPolicies; at: number },
): readonly AuditEvent[] => {
  const { version, findings } = compiled;
  const event = (subject: string, message: string): AuditEvent => {
    const found = findings.find(({ name }) => name === subject);
    const outcome = (found?.faults.length ?? 0) === 0 ? 'valid' : 'invalid';
    const decision = { outcome, policies: found?.policies ?? [], version };
    return { kind: 'policy.changed', at, subject, message, decision };
  };
  if (before === undefined) {
    const policies = findings.flatMap((found) => found.policies);
    const isValid = findings.every(({ faults }) => faults.length === 0);
    const decision = { outcome: isValid ? 'valid' : 'invalid', policies, version };
    const message = `${all.length} TaskPolicies at start`;
    return [{ kind: 'policy.changed', at, subject: ALL_POLICIES, message, decision }];
  }
  const previousKeys = new Set(before.map(buildSpecKey));
  const names = new Set(all.map(({ metadata }) => metadata.name));
  return [
    ...all
      .filter((policy) => !previousKeys.has(buildSpecKey(policy)))
      .map(({ metadata }) =>
        event(metadata.name, `applied, generation ${metadata.generation ?? 0}`),
      ),
    ...before
      .filter(({ metadata }) => !names.has(metadata.name))
      .map(({ metadata }) => event(metadata.name, 'removed')),
  ];
};
