import { createHash } from 'node:crypto';

import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { Revocation, RevocationSpec, RunEnd } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { AcquiredLease, RoleLease } from '../../lib/edge/kubernetes/role-lease.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';
import { buildCompletion } from '../../lib/revocation/completion.ts';
import { buildDenyList } from '../../lib/revocation/deny-list.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { withTimeout } from '../../lib/async/timeout.ts';
import { buildDenyListPolicy } from '../../lib/scope/aws/deny-list-policy.ts';
import type { OnFailure } from './failures.ts';
import { createAuditQueue, type AuditQueue } from './audit-queue.ts';
import { STALE_AFTER_SECONDS } from './revocation-watch.ts';

/** Writes the deny lists of ended runs to the roles that opt in, so that the cloud refuses them. */
export type DenyListWriter = {
  /**
   * Publishes the early end of a run as a Revocation.
   *
   * @throws KubernetesError
   */
  readonly publishRunEnd: (ended: {
    readonly run: string;
    readonly end: RunEnd | 'revoked';
  }) => Promise<void>;
  /** Call it when a Revocation was added or removed. */
  readonly wake: () => void;
  readonly stop: () => void;
};

export type DenyListWriterDeps = {
  /** ARNs of the roles that opt in. */
  readonly roles: readonly string[];
  /** Lists every Revocation from the API server, not from a cache. */
  readonly list: () => Promise<{ readonly items: readonly object[] }>;
  /** Those that the watch has in force: a restored store may lack some of them for a moment. */
  readonly listInForce: () => readonly Revocation[];
  readonly create: (name: string, spec: RevocationSpec) => Promise<unknown>;
  readonly lease: (role: string) => RoleLease;
  /** Replaces our inline policy of the role; undefined removes it. */
  readonly write: (role: string, policy: string | undefined, signal: AbortSignal) => Promise<void>;
  /** See {@link RevocationWatchDeps.by}. */
  readonly by: string;
  readonly maxLifetimeSeconds: number;
  readonly record: Recorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  /** Called after a write. `lagSeconds`: time since the oldest Revocation that is new in it. */
  readonly onWritten: (role: string, lagSeconds: number | undefined) => void;
};

const EVERY_MS = 30_000;
const RETRY = { firstMs: 1_000, maxMs: 30_000 };
/** IAM throttles writers. */
const MIN_INTERVAL_MS = 1_000;
/** Another replica holds the Lease. */
const LEASE_RETRY_MS = 500;
/** A deny list that another replica wrote this recently is not written again. */
const FRESH_MS = 25_000;
/** A Lease is held for 30 s: no write may be in progress when another replica acquires it. */
const WRITE_TIMEOUT_MS = 10_000;

/** Starts one loop for each role, which writes the current state of the API server. */
export const startDenyListWriter = (deps: DenyListWriterDeps): DenyListWriter => {
  const records = createAuditQueue(deps);
  const loops = deps.roles.map((role) => startRoleLoop(role, deps, records));
  const wake = (): void => loops.forEach((loop) => loop.wake());
  return {
    publishRunEnd: async ({ run, end }) => {
      const { name, spec } = buildCompletion({ run, end, by: deps.by });
      await deps.create(name, spec);
      wake();
    },
    wake,
    stop: () => {
      loops.forEach((loop) => loop.stop());
      records.stop();
    },
  };
};

const startRoleLoop = (role: string, deps: DenyListWriterDeps, records: AuditQueue) => {
  const { clock, random, onFailure } = deps;
  const lease = deps.lease(role);
  const reconcileRole = createRoleReconciler(role, deps, records);
  const reconcile = async (): Promise<number> => {
    const began = clock.monotonic();
    try {
      const held = await lease.acquire();
      if (held === undefined) return LEASE_RETRY_MS;
      let note = held.note;
      try {
        note = await reconcileRole(held);
      } finally {
        await held.release(note);
      }
      return EVERY_MS;
    } finally {
      await sleep(began + MIN_INTERVAL_MS - clock.monotonic());
    }
  };
  return startReconcileLoop({
    reconcile,
    onFailure: (error) => onFailure('deny list not written', error),
    retry: RETRY,
    random,
  });
};

/** Reconciles a role once, and returns the note for the next holder of the Lease. */
const createRoleReconciler = (role: string, deps: DenyListWriterDeps, records: AuditQueue) => {
  const { clock, onFailure, maxLifetimeSeconds, by } = deps;
  let covered: ReadonlySet<string> | undefined;
  return async (held: AcquiredLease): Promise<string> => {
    const stored = parseRevocations((await deps.list()).items, onFailure);
    const revocations = addMissing(stored, deps.listInForce());
    const now = clock.now();
    const options = {
      now,
      maxLifetimeSeconds,
      staleAfterSeconds: STALE_AFTER_SECONDS,
      by,
    };
    const wanted = buildDenyList(revocations, options);
    const { policy, omittedRuns, omittedSessions } = buildDenyListPolicy(wanted, { now });
    const omitted = formatOmitted(omittedRuns.length, omittedSessions);
    if (omitted !== undefined) {
      const message = `${role}: the policy is full; ${omitted} are not denied and end at their deadlines`;
      onFailure('deny list is full', new LoggableError(message));
    }
    const note = parseNote(held.note);
    const digest = createHash('sha256')
      .update(policy ?? '')
      .digest('hex');
    const age = now - note.at;
    if (digest === note.digest && age >= 0 && age < FRESH_MS) return held.note;
    if (clock.monotonic() > held.until - WRITE_TIMEOUT_MS) {
      throw new LoggableError(
        `${role}: expected time to write while the Lease is held, got too little`,
      );
    }
    const limit = { ms: WRITE_TIMEOUT_MS, what: `${role}: write of the deny list` };
    await withTimeout(limit, (signal) => deps.write(role, policy, signal));
    const added = covered && revocations.filter(({ uid }) => !covered?.has(uid));
    covered = new Set(revocations.map(({ uid }) => uid));
    const lag = added && getLagSeconds(added, clock.now());
    deps.onWritten(role, lag);
    if (digest !== note.digest) {
      const took = lag === undefined ? '' : `, ${lag.toFixed(1)} s after the oldest new one`;
      const left = omitted === undefined ? '' : `; no space for ${omitted}`;
      const message = `denied at the cloud: ${revocations.length} Revocations${took}${left}`;
      records.add([{ kind: 'deny_list.updated', at: clock.now(), subject: role, message }]);
    }
    return `${digest} ${clock.now()}`;
  };
};

const formatOmitted = (runs: number, sessions: number): string | undefined => {
  const parts = [
    ...(runs > 0 ? [`${runs} runs`] : []),
    ...(sessions > 0 ? [`${sessions} pods, tasks or namespaces`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(' and ');
};

/** An invalid Revocation blocks new runs; the valid ones are still denied. */
const parseRevocations = (items: readonly object[], onFailure: OnFailure): readonly Revocation[] =>
  items.flatMap((item) => {
    const result = readRevocation(item);
    if (result.ok) return [result.value];
    const message = result.faults.map(formatFieldError).join('; ');
    onFailure('invalid Revocation', new LoggableError(message));
    return [];
  });

const addMissing = (
  stored: readonly Revocation[],
  inForce: readonly Revocation[],
): readonly Revocation[] => {
  const uids = new Set(stored.map(({ uid }) => uid));
  return [...stored, ...inForce.filter(({ uid }) => !uids.has(uid))];
};

/** Kubernetes rounds creation times to seconds, so the lag may be up to one second too long. */
const getLagSeconds = (added: readonly Revocation[], now: number): number | undefined =>
  added.length === 0
    ? undefined
    : Math.max(...added.map(({ createdAt }) => now - createdAt)) / 1000;

const parseNote = (note: string): { readonly digest: string; readonly at: number } => {
  const [digest = '', at = ''] = note.split(' ');
  return { digest, at: Number(at) };
};

const sleep = (ms: number): Promise<void> =>
  ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
