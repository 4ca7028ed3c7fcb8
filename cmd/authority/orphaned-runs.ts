import type { AuditEvent, Recorder } from '../../lib/audit/audit-event.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { RunEndDeps } from '../../lib/exchange/run-end-request.ts';
import type { OnFailure } from './failures.ts';
import type { RevocationWatch } from './revocation-watch.ts';

/** Ends the runs of pods that ended and could not report it: the kernel killed them, or their node was lost. */
export type OrphanedRuns = {
  /**
   * Follows the run of a record, if the end of the run has to be published, until that is recorded. To be called once
   * the record is written.
   */
  readonly observe: (event: AuditEvent) => void;
  readonly stop: () => void;
};

export type OrphanedRunDeps = {
  /** Roles that have a deny list. */
  readonly roles: readonly string[];
  /** UIDs of the injected pods that have not ended. */
  readonly listRunningPods: () => Promise<ReadonlySet<string>>;
  readonly revocations: Pick<RevocationWatch, 'index' | 'isCurrent'>;
  readonly reportRunEnd: RunEndDeps['reportRunEnd'];
  /** @throws AuditError */
  readonly record: Recorder;
  readonly onEnded: (run: {
    readonly run: string;
    readonly namespace: string;
    readonly pod: string;
  }) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  readonly schedule?: Schedule;
};

/** Between two lists of pods, at least. None is requested while no run is followed. */
export const ORPHAN_CHECK_MS = 15_000;
/** A pod whose sidecar reports its end may be gone before the Revocation of the end is received. */
export const ORPHAN_CONFIRM_MS = 3_000;
/** Lists of very many pods take about a twentieth of the time. */
const PAUSE_PER_LIST = 20;
/** Above it, the oldest run ends at its deadline, as without this. */
const MAX_FOLLOWED = 16_384;

/** What the record of the end has of the run; not its params and scope, which may be 15 KiB. */
type FollowedRun = {
  readonly members: Pick<AuditEvent, 'run' | 'task' | 'chain' | 'decision'> &
    Required<Pick<AuditEvent, 'actor'>>;
  readonly deadline: number;
  hasDelegated: boolean;
  /** In the last list of pods, its pod was missing. */
  isMissing: boolean;
  isRecorded: boolean;
};

/**
 * Creates what follows the runs that this replica issued and whose end is published as a Revocation: those of roles
 * with a deny list, and those that delegated. A run whose end another replica published is known by its Revocation. So
 * nothing is stored, and replicas need not agree: the one that issued a run follows it, and the one that sealed a
 * delegation of it. When that one restarts, the runs that it followed end at their deadline.
 */
export const startOrphanedRuns = (deps: OrphanedRunDeps): OrphanedRuns => {
  const { clock, random, onFailure, schedule } = deps;
  const followed = createFollowedRuns();

  const forgetEnded = (): void => {
    for (const { spec } of deps.revocations.index().runRevocations) followed.forget(spec.run ?? '');
    followed.forgetExpired(clock.now());
  };
  /** @returns false if too many runs of its namespace ended; then it is tried again */
  const endRun = async (run: string, orphan: FollowedRun): Promise<boolean> => {
    if (!orphan.isRecorded) await deps.record(buildEndEvent(orphan, clock.now()));
    orphan.isRecorded = true;
    const { namespace, serviceAccount, pod, podUid } = orphan.members.actor;
    const caller = { namespace, serviceAccount, pod: { name: pod, uid: podUid } };
    const { hasDelegated } = orphan;
    if (!(await deps.reportRunEnd({ run, end: 'terminated', caller, hasDelegated }))) return false;
    followed.forget(run);
    deps.onEnded({ run, namespace, pod });
    return true;
  };
  /** @param limited namespaces of which no more runs are ended in this pass */
  const endOrphan = async ([run, orphan]: [string, FollowedRun], limited: Set<string>) => {
    const { namespace } = orphan.members.actor;
    if (limited.has(namespace)) return;
    try {
      if (!(await endRun(run, orphan))) limited.add(namespace);
    } catch (error) {
      onFailure('run of an ended pod not ended', error);
    }
  };
  const reconcile = async (): Promise<number> => {
    if (!deps.revocations.isCurrent()) return ORPHAN_CHECK_MS;
    forgetEnded();
    // A run that starts while pods are listed may be of a pod that the list does not have yet.
    const known = followed.list();
    if (known.length === 0) return ORPHAN_CHECK_MS;
    const began = clock.monotonic();
    const running = await deps.listRunningPods();
    const pauseMs = PAUSE_PER_LIST * (clock.monotonic() - began);
    forgetEnded();
    const limited = new Set<string>();
    let isSoon = false;
    for (const each of known.filter(([run]) => followed.has(run))) {
      const [, orphan] = each;
      const wasMissing = orphan.isMissing;
      orphan.isMissing = !running.has(orphan.members.actor.podUid);
      if (orphan.isMissing && wasMissing) await endOrphan(each, limited);
      else isSoon ||= orphan.isMissing;
    }
    return isSoon ? ORPHAN_CONFIRM_MS : Math.max(pauseMs, ORPHAN_CHECK_MS);
  };
  const loop = startReconcileLoop({
    reconcile,
    random,
    ...(schedule && { schedule }),
    onFailure: (error) => onFailure('pods of runs not listed', error),
    retry: { firstMs: ORPHAN_CHECK_MS, maxMs: 4 * ORPHAN_CHECK_MS },
  });

  return {
    observe: (event) => {
      const isDenied = deps.roles.includes(event.scope?.role ?? '');
      if (event.kind === 'run.issued' && isDenied) followed.follow(event, false);
      if (event.kind === 'delegation.minted') followed.follow(event, true);
      if (event.kind === 'run.ended') followed.forget(event.run ?? '');
    },
    stop: loop.stop,
  };
};

/** The runs that are followed, the oldest first. */
const createFollowedRuns = () => {
  const followed = new Map<string, FollowedRun>();
  return {
    list: (): readonly [string, FollowedRun][] => [...followed],
    has: (run: string): boolean => followed.has(run),
    forget: (run: string): void => void followed.delete(run),
    forgetExpired: (now: number): void => {
      for (const [run, { deadline }] of followed) if (deadline <= now) followed.delete(run);
    },
    follow: (event: AuditEvent, hasDelegated: boolean): void => {
      const { actor, run, task, chain, decision, scope, deadline = scope?.deadline } = event;
      if (actor === undefined || run === undefined || deadline === undefined) return;
      const known = followed.get(run);
      if (known !== undefined) {
        known.hasDelegated ||= hasDelegated;
        return;
      }
      const members = {
        actor,
        run,
        ...(task !== undefined && { task }),
        ...(chain !== undefined && { chain }),
        ...(decision !== undefined && { decision }),
      };
      const start = { hasDelegated, isMissing: false, isRecorded: false };
      followed.set(run, { members, deadline, ...start });
      const [oldest] = followed.keys();
      if (followed.size > MAX_FOLLOWED && oldest !== undefined) followed.delete(oldest);
    },
  };
};

const buildEndEvent = ({ members, deadline }: FollowedRun, at: number): AuditEvent => ({
  kind: 'run.ended',
  at,
  ...members,
  deadline,
  reason: 'terminated',
  message: 'the pod has ended, and no end of this run was published',
});
