import type { AuditEvent, Recorder } from '../../lib/audit/audit-event.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { RunEndDeps } from '../../lib/exchange/run-end-request.ts';
import type { OnFailure } from './failures.ts';
import type { RevocationWatch } from './revocation-watch.ts';

/** Ends the runs of pods that ended and could not report it: the kernel killed them, or their node was lost. */
export type OrphanedRuns = {
  /** Follows the run of a record, if the end of the run has to be published. To be called once it is written. */
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
/** A list of very many pods takes a twentieth of the time at most. */
const PAUSE_PER_LIST = 20;
/** About 1 KiB each. Above it, the oldest run ends at its deadline, as without this. */
const MAX_FOLLOWED = 16_384;

type FollowedRun = {
  readonly event: AuditEvent & Required<Pick<AuditEvent, 'actor' | 'run'>>;
  readonly deadline: number;
  hasDelegated: boolean;
  /** In the last list of pods, its pod was missing. */
  isMissing: boolean;
  isRecorded: boolean;
};

/**
 * Creates what follows the runs that this replica issued and whose end is published as a Revocation: those of roles
 * with a deny list, and those that delegated. A run whose end another replica published is known by its Revocation. So
 * nothing is stored, and replicas need not agree: each run has one that follows it. When that one restarts, the runs
 * that it issued before end at their deadline.
 */
export const startOrphanedRuns = (deps: OrphanedRunDeps): OrphanedRuns => {
  const { clock, random, onFailure, schedule } = deps;
  const followed = new Map<string, FollowedRun>();

  const forgetEnded = (): void => {
    const now = clock.now();
    for (const { spec } of deps.revocations.index().runRevocations) followed.delete(spec.run ?? '');
    for (const [run, { deadline }] of followed) if (deadline <= now) followed.delete(run);
  };
  const endRun = async (run: string, orphan: FollowedRun): Promise<void> => {
    if (!orphan.isRecorded) await deps.record(buildEndEvent(orphan, clock.now()));
    orphan.isRecorded = true;
    const { namespace, serviceAccount, pod, podUid } = orphan.event.actor;
    const caller = { namespace, serviceAccount, pod: { name: pod, uid: podUid } };
    const { hasDelegated } = orphan;
    await deps.reportRunEnd({ run, end: 'terminated', caller, hasDelegated });
    followed.delete(run);
    deps.onEnded({ run, namespace, pod });
  };
  /** Whether a run is to be looked at again soon. */
  const check = async ([run, orphan]: [string, FollowedRun], isRunning: boolean) => {
    const wasMissing = orphan.isMissing;
    orphan.isMissing = !isRunning;
    if (isRunning) return false;
    if (!wasMissing) return true;
    try {
      await endRun(run, orphan);
    } catch (error) {
      onFailure('run of an ended pod not ended', error);
    }
    return false;
  };
  const reconcile = async (): Promise<number> => {
    if (!deps.revocations.isCurrent()) return ORPHAN_CHECK_MS;
    forgetEnded();
    // A run that starts while pods are listed may be of a pod that the list does not have yet.
    const known = [...followed];
    if (known.length === 0) return ORPHAN_CHECK_MS;
    const began = clock.monotonic();
    const running = await deps.listRunningPods();
    const pauseMs = PAUSE_PER_LIST * (clock.monotonic() - began);
    forgetEnded();
    let isSoon = false;
    for (const each of known.filter(([run]) => followed.has(run))) {
      isSoon = (await check(each, running.has(each[1].event.actor.podUid))) || isSoon;
    }
    return Math.max(pauseMs, isSoon ? ORPHAN_CONFIRM_MS : ORPHAN_CHECK_MS);
  };
  const loop = startReconcileLoop({
    ...{ reconcile, random, ...(schedule && { schedule }) },
    onFailure: (error) => onFailure('pods of runs not listed', error),
    retry: { firstMs: ORPHAN_CHECK_MS, maxMs: 4 * ORPHAN_CHECK_MS },
  });

  const follow = (event: AuditEvent, hasDelegated: boolean): void => {
    const { actor, run, scope, deadline = scope?.deadline } = event;
    if (actor === undefined || run === undefined || deadline === undefined) return;
    const known = followed.get(run);
    if (known !== undefined) {
      known.hasDelegated ||= hasDelegated;
      return;
    }
    const start = { hasDelegated, isMissing: false, isRecorded: false };
    followed.set(run, { event: { ...event, actor, run }, deadline, ...start });
    const [oldest] = followed.keys();
    if (followed.size > MAX_FOLLOWED && oldest !== undefined) followed.delete(oldest);
  };
  return {
    observe: (event) => {
      const isDenied = deps.roles.includes(event.scope?.role ?? '');
      if (event.kind === 'run.issued' && isDenied) follow(event, false);
      if (event.kind === 'delegation.minted') follow(event, true);
    },
    stop: loop.stop,
  };
};

const buildEndEvent = (
  { event: { actor, run, task, chain, decision }, deadline }: FollowedRun,
  at: number,
): AuditEvent => ({
  ...{ kind: 'run.ended', at, actor, run, deadline, reason: 'terminated' },
  ...(task !== undefined && { task }),
  ...(chain !== undefined && { chain }),
  ...(decision !== undefined && { decision }),
  message: 'the pod has ended, and its sidecar reported no end',
});
