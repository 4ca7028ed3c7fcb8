import { createHash } from 'node:crypto';

import type { Recorder } from '../../lib/audit/record.ts';
import type { Revocation, RevocationSpec, RunEnd } from '../../lib/contract/authority.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { HeldLease, RoleLease } from '../../lib/edge/kubernetes/role-lease.ts';
import { describeFault } from '../../lib/reading/fault.ts';
import { StatedError } from '../../lib/reading/stated-error.ts';
import { completionOf } from '../../lib/revocation/completion.ts';
import { deniedBy } from '../../lib/revocation/denied.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';
import { backoffMs, jitterMs, startLoop } from '../../lib/rounds/loop.ts';
import { within } from '../../lib/rounds/time-limit.ts';
import { denialPolicy } from '../../lib/scope/aws/denial.ts';
import type { OnFailure } from './failures.ts';
import { openLaterRecords, type LaterRecords } from './later-records.ts';
import { STALE_AFTER_SECONDS } from './revocations.ts';

/** Ended runs are refused by the cloud itself, on the roles that opt in. */
export type Denial = {
  /**
   * A run ended before its deadline: where one of `roles` opts in, everybody is told by a Revocation.
   *
   * @throws KubernetesError
   */
  readonly runEnded: (ended: {
    readonly run: string;
    readonly end: RunEnd;
    /** Roles that the run may be of. */
    readonly roles: readonly string[];
  }) => Promise<void>;
  /** A Revocation came or went. */
  readonly wake: () => void;
  readonly stop: () => void;
};

export type DenialEdges = {
  /** ARNs of the roles that opt in. */
  readonly roles: readonly string[];
  /** Every Revocation, afresh from the API server. */
  readonly list: () => Promise<{ readonly items: readonly object[] }>;
  readonly create: (name: string, spec: RevocationSpec) => Promise<unknown>;
  readonly lease: (role: string) => RoleLease;
  /** Makes it the whole inline policy of ours; nothing: removes it. */
  readonly write: (role: string, policy: string | undefined, signal: AbortSignal) => Promise<void>;
  /** See {@link RevocationsEdges.by}. */
  readonly by: string;
  readonly lifetimeCeilingSeconds: number;
  readonly record: Recorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  /** Written; `lagSeconds`: from the oldest Revocation that is new in it. */
  readonly onWritten: (role: string, lagSeconds: number | undefined) => void;
};

const EVERY_MS = 30_000;
const RETRY = { firstMs: 1_000, mostMs: 30_000 };
/** IAM throttles writers. */
const LEAST_MS = 1_000;
/** Somebody else writes just now. */
const TAKEN_MS = 500;
/** What another replica wrote so lately need not be written again. */
const FRESH_MS = 25_000;
/** A Lease is held for 30 s: no write may be under way once it is another's. */
const WRITE_MS = 10_000;

/** Opens it: one loop for each role, each writing what the API server says now. */
export const openDenial = (edges: DenialEdges): Denial => {
  const records = openLaterRecords(edges);
  const loops = edges.roles.map((role) => openRole(role, edges, records));
  const wake = (): void => loops.forEach((loop) => loop.wake());
  return {
    runEnded: async ({ run, end, roles }) => {
      if (!roles.some((role) => edges.roles.includes(role))) return;
      const { name, spec } = completionOf({ run, end, by: edges.by });
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

const openRole = (role: string, edges: DenialEdges, records: LaterRecords) => {
  const { clock, random, onFailure } = edges;
  const lease = edges.lease(role);
  const settle = openSettling(role, edges, records);
  let failures = 0;
  return startLoop(async () => {
    const began = clock.monotonic();
    try {
      const held = await lease.take();
      if (held === undefined) return jitterMs(TAKEN_MS, random);
      let note = held.note;
      try {
        note = await settle(held);
      } finally {
        await held.release(note);
      }
      failures = 0;
      return jitterMs(EVERY_MS, random);
    } catch (error) {
      failures += 1;
      onFailure('ended runs not denied at the cloud', error);
      return backoffMs(failures, { ...RETRY, random });
    } finally {
      await rest(began + LEAST_MS - clock.monotonic());
    }
  });
};

/** Does it once, and answers what the next holder should know. */
const openSettling = (role: string, edges: DenialEdges, records: LaterRecords) => {
  const { clock, onFailure, lifetimeCeilingSeconds, by } = edges;
  let covered: ReadonlySet<string> | undefined;
  return async (held: HeldLease): Promise<string> => {
    const revocations = readAll((await edges.list()).items, onFailure);
    const now = clock.now();
    const terms = { now, lifetimeCeilingSeconds, staleAfterSeconds: STALE_AFTER_SECONDS, by };
    const { policy, leftOut } = denialPolicy(deniedBy(revocations, terms), { now });
    if (leftOut.length > 0) {
      const message = `${role}: no room to deny ${leftOut.length} runs, which end by their deadlines`;
      onFailure('some ended runs not denied at the cloud', new StatedError(message));
    }
    const note = readNote(held.note);
    const digest = createHash('sha256')
      .update(policy ?? '')
      .digest('hex');
    const age = now - note.at;
    if (digest === note.digest && age >= 0 && age < FRESH_MS) return held.note;
    if (clock.monotonic() > held.until - WRITE_MS) {
      throw new StatedError(`${role}: expected to write while the lease is held, got no time to`);
    }
    const limit = { ms: WRITE_MS, what: `${role}: write of the denial` };
    await within(limit, (signal) => edges.write(role, policy, signal));
    const added = covered && revocations.filter(({ uid }) => !covered?.has(uid));
    covered = new Set(revocations.map(({ uid }) => uid));
    const lag = added && lagSeconds(added, clock.now());
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
const readAll = (items: readonly object[], onFailure: OnFailure): readonly Revocation[] =>
  items.flatMap((item) => {
    const result = readRevocation(item);
    if (result.ok) return [result.value];
    const message = result.faults.map(describeFault).join('; ');
    onFailure('a Revocation cannot be read', new StatedError(message));
    return [];
  });

/** Kubernetes writes whole seconds: up to one of the lag is its rounding. */
const lagSeconds = (added: readonly Revocation[], now: number): number | undefined =>
  added.length === 0
    ? undefined
    : Math.max(...added.map(({ createdAt }) => now - createdAt)) / 1000;

const readNote = (note: string): { readonly digest: string; readonly at: number } => {
  const [digest = '', at = ''] = note.split(' ');
  return { digest, at: Number(at) };
};

const rest = (ms: number): Promise<void> =>
  ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
