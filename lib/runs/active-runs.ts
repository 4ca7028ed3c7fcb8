import type { Clock } from '../contract/clock.ts';
import type { Task } from '../contract/task.ts';
import type { IssuedRun, RunRequest } from '../contract/exchange.ts';
import { computeAdvertisedExpiration } from './freshness.ts';
import { renderCredentials } from './rendering.ts';
import { HEARTBEAT_TIMEOUT_MS } from './heartbeat-monitor.ts';
import type { Schedule } from '../contract/schedule.ts';

export type EndReason = 'completed' | 'superseded' | 'expired' | 'revoked' | 'terminated';

/** A run that can still be used. */
export type ActiveRun = {
  readonly kind: 'run';
  readonly run: string;
  readonly consumer: string;
  readonly task: Task;
  /** Started by name (`POST …/runs`), not by asking for a task's credentials. */
  readonly isExplicit: boolean;
  /** When its exchange began, on the clock that never jumps. */
  readonly askedAt: number;
  /** The Expiration that consumers are told; the run is not served from then on. */
  readonly expiresAt: number;
  /** The same moment on the clock that never jumps. */
  readonly expiresAtMonotonic: number;
  /** The answer, rendered; zeros after the end. */
  readonly credentials: Buffer;
};

/** Told of every run once at its start and once at its end. */
export type RunObserver = {
  readonly started: (run: ActiveRun) => void;
  readonly ended: (run: ActiveRun, reason: EndReason) => void;
};

/** How a run came about, besides what was asked. */
export type StartDetails = Pick<ActiveRun, 'isExplicit' | 'askedAt'>;

export type ActiveRuns = ReturnType<typeof createActiveRuns>;

/** Every live run by its id. What has ended is gone from here, and its credentials are zeros. */
export const createActiveRuns = ({
  clock,
  schedule,
  observer,
  revocationsCurrentUntil,
}: {
  clock: Clock;
  schedule: Schedule;
  observer: RunObserver;
  /** Until when every revocation is known, on the clock that never jumps. */
  revocationsCurrentUntil: () => number;
}) => {
  const runs = new Map<string, Entry>();

  /** Milliseconds left, by the stricter of both clocks; 0 or less once the run has ended. */
  const remainingMs = (live: ActiveRun): number =>
    runs.get(live.run)?.live === live
      ? Math.min(live.expiresAtMonotonic - clock.monotonic(), live.expiresAt - clock.now())
      : 0;

  const end = (run: string, reason: EndReason): boolean => {
    const entry = runs.get(run);
    if (entry === undefined) return false;
    runs.delete(run);
    entry.cancelExpiry();
    entry.live.credentials.fill(0);
    observer.ended(entry.live, reason);
    return true;
  };

  /** Answers nothing when the run would be over already. */
  const add = (
    issued: IssuedRun,
    request: RunRequest,
    beginning: StartDetails,
  ): ActiveRun | undefined => {
    const live = toActiveRun(issued, request, beginning, clock);
    const leftMs = live.expiresAt - clock.now();
    if (leftMs <= 0) return undefined;
    const cancelExpiry = schedule(leftMs, () => end(live.run, 'expired'));
    runs.set(live.run, { live, cancelExpiry, isServed: false });
    observer.started(live);
    return live;
  };

  /**
   * Whether a run may be served now. What a consumer already has is served while it lives. What
   * nobody has yet is something new: it is served only while we would know of its revocation as of
   * less than three heartbeats ago, be it by its own exchange, in which the authority decided, or by
   * the stream since. Who was cut off for longer asks again, by another exchange.
   */
  const isServable = (live: ActiveRun): boolean => {
    if (remainingMs(live) <= 0) return false;
    const unknownForMs = clock.monotonic() - Math.max(live.askedAt, revocationsCurrentUntil());
    return unknownForMs < HEARTBEAT_TIMEOUT_MS || runs.get(live.run)?.isServed === true;
  };

  /** Asked right before a run's credentials leave; false: they must not. */
  const markServed = (live: ActiveRun): boolean => {
    const entry = runs.get(live.run);
    if (entry === undefined || !isServable(live)) return false;
    entry.isServed = true;
    return true;
  };

  const get = (run: string): ActiveRun | undefined => {
    const live = runs.get(run)?.live;
    return live !== undefined && remainingMs(live) > 0 ? live : undefined;
  };

  const all = (): readonly ActiveRun[] => [...runs.values()].map(({ live }) => live);

  return { add, get, all, end, isServable, markServed, remainingMs };
};

type Entry = {
  readonly live: ActiveRun;
  readonly cancelExpiry: () => void;
  isServed: boolean;
};

const toActiveRun = (
  { run, credentials: keys, deadline, skewMs }: IssuedRun,
  { consumer, task }: RunRequest,
  beginning: StartDetails,
  clock: Clock,
): ActiveRun => {
  const lifetimeMs = task.lifetimeSeconds * 1000;
  const expiresAt = computeAdvertisedExpiration({ deadline, skewMs, lifetimeMs });
  const expiresAtMonotonic = clock.monotonic() + expiresAt - clock.now();
  const credentials = renderCredentials({ keys, expiresAt, role: task.role });
  return {
    kind: 'run',
    run,
    consumer,
    task,
    ...beginning,
    expiresAt,
    expiresAtMonotonic,
    credentials,
  };
};
