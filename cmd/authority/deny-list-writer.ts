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

/** Ended runs are refused by the cloud itself, on the roles that opt in. */
export type DenyListWriter = {
  /**
   * A run ended before its deadline: where one of `roles` opts in, everybody is told by a Revocation.
   *
   * @throws KubernetesError
   */
  readonly publishRunEnd: (ended: {
    readonly run: string;
    readonly end: RunEnd;
    /** Roles that the run may be of. */
    readonly roles: readonly string[];
  }) => Promise<void>;
  /** A Revocation came or went. */
  readonly wake: () => void;
  readonly stop: () => void;
};

export type DenyListWriterDeps = {
  /** ARNs of the roles that opt in. */
  readonly roles: readonly string[];
  /** Every Revocation, afresh from the API server. */
  readonly list: () => Promise<{ readonly items: readonly object[] }>;
  readonly create: (name: string, spec: RevocationSpec) => Promise<unknown>;
  readonly lease: (role: string) => RoleLease;
  /** Makes it the whole inline policy of ours; nothing: removes it. */
  readonly write: (role: string, policy: string | undefined, signal: AbortSignal) => Promise<void>;
  /** See {@link RevocationWatchDeps.by}. */
  readonly by: string;
  readonly maxLifetimeSeconds: number;
  readonly record: Recorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  /** Written; `getLagSeconds`: from the oldest Revocation that is new in it. */
  readonly onWritten: (role: string, lagSeconds: number | undefined) => void;
};

const EVERY_MS = 30_000;
const RETRY = { firstMs: 1_000, maxMs: 30_000 };
/** IAM throttles writers. */
const MIN_INTERVAL_MS = 1_000;
/** Somebody else writes just now. */
const LEASE_RETRY_MS = 500;
/** What another replica wrote so lately need not be written again. */
const FRESH_MS = 25_000;
/** A Lease is held for 30 s: no write may be under way once it is another's. */
const WRITE_TIMEOUT_MS = 10_000;

/** Opens it: one loop for each role, each writing what the API server says now. */
export const startDenyListWriter = (edges: DenyListWriterDeps): DenyListWriter => {
  const records = createAuditQueue(edges);
  const loops = edges.roles.map((role) => startRoleLoop(role, edges, records));
  const wake = (): void => loops.forEach((loop) => loop.wake());
  return {
    publishRunEnd: async ({ run, end, roles }) => {
      if (!roles.some((role) => edges.roles.includes(role))) return;
      const { name, spec } = buildCompletion({ run, end, by: edges.by });
      await edges.create(name, spec);
      wake();
    },
    wake,
    stop: () => {
      loops.forEach((loop) => loop.stop());
      records.stop();
    },
  };
};

const startRoleLoop = (role: string, edges: DenyListWriterDeps, records: AuditQueue) => {
  const { clock, random, onFailure } = edges;
  const lease = edges.lease(role);
  const reconcileRole = createRoleReconciler(role, edges, records);
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
    onFailure: (error) => onFailure('ended runs not denied at the cloud', error),
    retry: RETRY,
    random,
  });
};

/** Does it once, and answers what the next holder should know. */
const createRoleReconciler = (role: string, edges: DenyListWriterDeps, records: AuditQueue) => {
  const { clock, onFailure, maxLifetimeSeconds, by } = edges;
  let covered: ReadonlySet<string> | undefined;
  return async (held: AcquiredLease): Promise<string> => {
    const revocations = parseRevocations((await edges.list()).items, onFailure);
    const now = clock.now();
    const options = {
      now,
      maxLifetimeSeconds: maxLifetimeSeconds,
      staleAfterSeconds: STALE_AFTER_SECONDS,
      by,
    };
    const { policy, omittedRuns } = buildDenyListPolicy(buildDenyList(revocations, options), {
      now,
    });
    if (omittedRuns.length > 0) {
      const message = `${role}: no room to deny ${omittedRuns.length} runs, which end by their deadlines`;
      onFailure('some ended runs not denied at the cloud', new LoggableError(message));
    }
    const note = parseNote(held.note);
    const digest = createHash('sha256')
      .update(policy ?? '')
      .digest('hex');
    const age = now - note.at;
    if (digest === note.digest && age >= 0 && age < FRESH_MS) return held.note;
    if (clock.monotonic() > held.until - WRITE_TIMEOUT_MS) {
      throw new LoggableError(`${role}: expected to write while the lease is held, got no time to`);
    }
    const limit = { ms: WRITE_TIMEOUT_MS, what: `${role}: write of the denial` };
    await withTimeout(limit, (signal) => edges.write(role, policy, signal));
    const added = covered && revocations.filter(({ uid }) => !covered?.has(uid));
    covered = new Set(revocations.map(({ uid }) => uid));
    const lag = added && getLagSeconds(added, clock.now());
    edges.onWritten(role, lag);
    if (digest !== note.digest) {
      const took = lag === undefined ? '' : `, ${lag.toFixed(1)} s after the oldest new one`;
      const message = `denied at the cloud: ${revocations.length} Revocations${took}`;
      records.add([{ kind: 'denial.written', at: clock.now(), subject: role, message }]);
    }
    return `${digest} ${clock.now()}`;
  };
};

/** One that cannot be read keeps new runs from starting; what the others say is denied all the same. */
const parseRevocations = (items: readonly object[], onFailure: OnFailure): readonly Revocation[] =>
  items.flatMap((item) => {
    const result = readRevocation(item);
    if (result.ok) return [result.value];
    const message = result.faults.map(formatFieldError).join('; ');
    onFailure('a Revocation cannot be read', new LoggableError(message));
    return [];
  });

/** Kubernetes writes whole seconds: up to one of the lag is its rounding. */
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
