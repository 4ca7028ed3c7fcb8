import type { Clock } from '../contract/clock.ts';
import type { Task } from '../contract/task.ts';
import type { IssuedRun, RunRequest } from './exchange.ts';
import { advertisedExpiration } from './freshness.ts';
import { renderCredentials } from './rendering.ts';
import type { Schedule } from './schedule.ts';

export type EndReason = 'completed' | 'superseded' | 'expired' | 'revoked' | 'terminated';

/** A run that can still be used. */
export type LiveRun = {
  readonly kind: 'run';
  readonly run: string;
  readonly consumer: string;
  readonly task: Task;
  /** Started by name (`POST …/runs`), not by asking for a task's credentials. */
  readonly explicit: boolean;
  /** The Expiration that consumers are told; the run is not served from then on. */
  readonly expiresAt: number;
  /** The same moment on the clock that never jumps. */
  readonly expiresAtMonotonic: number;
  /** The answer, rendered; zeros after the end. */
  readonly credentials: Buffer;
};

/** Told of every run once at its start and once at its end. */
export type RunObserver = {
  readonly started: (run: LiveRun) => void;
  readonly ended: (run: LiveRun, reason: EndReason) => void;
};

export type LiveRuns = ReturnType<typeof openLiveRuns>;

/** Every live run by its id. What has ended is gone from here, and its credentials are zeros. */
export const openLiveRuns = ({
  clock,
  schedule,
  observer,
}: {
  clock: Clock;
  schedule: Schedule;
  observer: RunObserver;
}) => {
  const runs = new Map<string, { readonly live: LiveRun; readonly cancelExpiry: () => void }>();

  /** Milliseconds left, by the stricter of both clocks; 0 or less once the run has ended. */
  const remainingMs = (live: LiveRun): number =>
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
  const add = (issued: IssuedRun, request: RunRequest, explicit: boolean): LiveRun | undefined => {
    const live = toLive(issued, request, explicit, clock);
    const leftMs = live.expiresAt - clock.now();
    if (leftMs <= 0) return undefined;
    runs.set(live.run, { live, cancelExpiry: schedule(leftMs, () => end(live.run, 'expired')) });
    observer.started(live);
    return live;
  };

  const get = (run: string): LiveRun | undefined => {
    const live = runs.get(run)?.live;
    return live !== undefined && remainingMs(live) > 0 ? live : undefined;
  };

  const all = (): readonly LiveRun[] => [...runs.values()].map(({ live }) => live);

  return { add, get, all, end, remainingMs };
};

const toLive = (
  { run, keys, deadline, skewMs }: IssuedRun,
  { consumer, task }: RunRequest,
  explicit: boolean,
  clock: Clock,
): LiveRun => {
  const lifetimeMs = task.lifetimeSeconds * 1000;
  const expiresAt = advertisedExpiration({ deadline, skewMs, lifetimeMs });
  const expiresAtMonotonic = clock.monotonic() + expiresAt - clock.now();
  const credentials = renderCredentials({ keys, expiresAt, role: task.role });
  return {
    kind: 'run',
    run,
    consumer,
    task,
    explicit,
    expiresAt,
    expiresAtMonotonic,
    credentials,
  };
};
