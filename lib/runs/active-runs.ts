import type { Clock } from '../contract/clock.ts';
import type { Task, TaskStatement } from '../contract/task.ts';
import type {
  AwsRun,
  CloudCredentials,
  IssuedRun,
  RunOversight,
  RunRequest,
} from '../contract/exchange.ts';
import type { RunSecret } from '../contract/upstream.ts';
import { bindStatements } from '../task/resource.ts';
import { computeAdvertisedExpiration } from './freshness.ts';
import type { LocalKeys } from './local-keys.ts';
import { formatCredentials } from './rendering.ts';
import { HEARTBEAT_TIMEOUT_MS } from './heartbeat-monitor.ts';
import type { Schedule } from '../contract/schedule.ts';

export type EndReason =
  'completed' | 'superseded' | 'expired' | 'revoked' | 'terminated' | 'budget_exceeded';

/** What the gateway signs a run's calls with, or presents. It never leaves the sidecar. */
export type HeldCredentials = {
  /** The statements of the task, with the run's params bound. */
  readonly allow: readonly TaskStatement[];
  /** Of the cloud; removed when the run ends. */
  keys?: CloudCredentials;
  /** Of providers `http` and `postgres`; removed when the run ends. */
  secret?: RunSecret;
};

/** A run before its end. */
export type ActiveRun = {
  readonly kind: 'run';
  readonly run: string;
  readonly consumer: string;
  readonly task: Task;
  /** Started with `POST …/runs`, not by a request for a task's credentials. */
  readonly isExplicit: boolean;
  /** When its exchange began, on the monotonic clock. */
  readonly requestedAt: number;
  /** The advertised Expiration, milliseconds since the epoch; the run is not served after it. */
  readonly expiresAt: number;
  /** The same moment on the monotonic clock. */
  readonly expiresAtMonotonic: number;
  /**
   * The response body, with the cloud's keys or, for a task with delivery `sign`, with local keys;
   * overwritten with zeros when the run ends. Empty for providers `http` and `postgres`, which have no credentials.
   */
  readonly credentials: Buffer;
  /** See {@link IssuedRun.isApproved}. */
  readonly isApproved?: true;
  /** Only of a task with delivery `sign`. */
  readonly held?: HeldCredentials;
  /** Of provider `http`: what the report of the run's end returns to the authority. */
  readonly release?: string;
  /** See {@link RunRequest.requestId}. */
  readonly requestId?: string;
  /** Only under an authority. */
  readonly oversight?: RunOversight;
  /** See {@link IssuedRun.ancestors}. */
  readonly ancestors?: readonly string[];
  /** It may have delegated: runs of other pods end with it. */
  hasDelegated?: true;
};

/** Called once for each run's start and once for its end. */
export type RunObserver = {
  readonly started: (run: ActiveRun) => void;
  readonly ended: (run: ActiveRun, reason: EndReason) => void;
  /** Called for what was issued and never became a run: its secret has to be revoked. */
  readonly discarded?: (issued: IssuedRun) => void;
};

/** What starts a run in addition to its request. */
export type RunStart = Pick<ActiveRun, 'isExplicit' | 'requestedAt'>;

export type ActiveRuns = ReturnType<typeof createActiveRuns>;

/** All active runs by ID. A run that ends is removed, and its credentials are overwritten with zeros. */
export const createActiveRuns = ({
  clock,
  schedule,
  observer,
  revocationsCurrentUntil,
  localKeys,
}: {
  clock: Clock;
  schedule: Schedule;
  observer: RunObserver;
  /** Until when all revocations are known, on the monotonic clock. */
  revocationsCurrentUntil: () => number;
  /** Absent where no task has delivery `sign`. */
  localKeys?: LocalKeys | undefined;
}) => {
  const runs = new Map<string, Entry>();

  /** Milliseconds left by the stricter of the two clocks; 0 or less after the run's end. */
  const remainingMs = (active: ActiveRun): number =>
    runs.get(active.run)?.active === active
      ? Math.min(active.expiresAtMonotonic - clock.monotonic(), active.expiresAt - clock.now())
      : 0;

  const end = (run: string, reason: EndReason): boolean => {
    const entry = runs.get(run);
    if (entry === undefined) return false;
    runs.delete(run);
    entry.cancelExpiry();
    eraseCredentials(entry.active);
    observer.ended(entry.active, reason);
    // Last: the report of its end may need it.
    delete entry.active.oversight?.ticket;
    return true;
  };

  /** Strings cannot be overwritten: the last reference to the cloud's keys is dropped. */
  const eraseCredentials = ({ run, credentials, held }: ActiveRun): void => {
    credentials.fill(0);
    delete held?.keys;
    delete held?.secret;
    localKeys?.erase(run);
  };

  /** Adds a run; undefined if it would already have expired. */
  const add = (issued: IssuedRun, request: RunRequest, start: RunStart): ActiveRun | undefined => {
    const active = toActiveRun(issued, request, start, { clock, localKeys });
    const leftMs = active.expiresAt - clock.now();
    if (leftMs <= 0) {
      eraseCredentials(active);
      return undefined;
    }
    const cancelExpiry = schedule(leftMs, () => end(active.run, 'expired'));
    runs.set(active.run, { active, cancelExpiry, isServed: false });
    observer.started(active);
    return active;
  };

  /**
   * Whether a run may be served now. A run that was served before may be served until its deadline:
   * the consumer already has the credentials. A run that was never served is new access, so its
   * revocation must have been checked less than three heartbeats ago: either by the authority's
   * decision in the run's own exchange or by the event stream since then. After a longer disconnect
   * the consumer gets the result of another exchange.
   */
  const isServable = (active: ActiveRun): boolean => {
    if (remainingMs(active) <= 0) return false;
    const unknownForMs =
      clock.monotonic() - Math.max(active.requestedAt, revocationsCurrentUntil());
    return unknownForMs < HEARTBEAT_TIMEOUT_MS || runs.get(active.run)?.isServed === true;
  };

  /** Call right before a run's credentials leave the sidecar; false: they must not leave. */
  const markServed = (active: ActiveRun): boolean => {
    const entry = runs.get(active.run);
    if (entry === undefined || !isServable(active)) return false;
    entry.isServed = true;
    return true;
  };

  const get = (run: string): ActiveRun | undefined => {
    const active = runs.get(run)?.active;
    return active !== undefined && remainingMs(active) > 0 ? active : undefined;
  };

  const all = (): readonly ActiveRun[] => [...runs.values()].map(({ active }) => active);

  return { add, get, all, end, isServable, markServed, remainingMs };
};

type Entry = {
  readonly active: ActiveRun;
  readonly cancelExpiry: () => void;
  isServed: boolean;
};

const toActiveRun = (
  issued: IssuedRun,
  request: RunRequest,
  start: RunStart,
  { clock, localKeys }: { clock: Clock; localKeys: LocalKeys | undefined },
): ActiveRun => {
  const { run, deadline, skewMs } = issued;
  const { consumer, task } = request;
  const lifetimeMs = task.lifetimeSeconds * 1000;
  const expiresAt = computeAdvertisedExpiration({ deadline, skewMs, lifetimeMs });
  const expiresAtMonotonic = clock.monotonic() + expiresAt - clock.now();
  const renderKeys = (aws: AwsRun): Buffer => {
    const keys = selectServedKeys(aws, request, { ...start, localKeys });
    return formatCredentials({ keys, expiresAt, role: task.role });
  };
  return {
    kind: 'run',
    run,
    consumer,
    task,
    ...start,
    expiresAt,
    expiresAtMonotonic,
    credentials: 'secret' in issued ? Buffer.alloc(0) : renderKeys(issued),
    ...(issued.requestId !== undefined && { requestId: issued.requestId }),
    ...(issued.oversight !== undefined && { oversight: { ...issued.oversight } }),
    ...(issued.isApproved && { isApproved: true }),
    ...(issued.ancestors !== undefined && { ancestors: issued.ancestors }),
    ...(task.delivery === 'sign' && { held: holdCredentials(issued, request) }),
    ...('secret' in issued && issued.release !== undefined && { release: issued.release }),
  };
};

/**
 * The keys that the consumer gets: of a task with delivery `sign`, local ones. A run that was started
 * explicitly has its own, so that a request signed with them uses this run and no other.
 */
const selectServedKeys = (
  { run, credentials }: AwsRun,
  { consumer, task: { name: task, delivery } }: RunRequest,
  { isExplicit, localKeys }: { isExplicit: boolean; localKeys: LocalKeys | undefined },
): CloudCredentials => {
  if (delivery === 'vend') return credentials;
  if (localKeys === undefined) throw new Error(`task ${task}: expected local keys, got none`);
  return isExplicit
    ? localKeys.createForRun({ consumer, task, run })
    : localKeys.forTask({ consumer, task });
};

const holdCredentials = (issued: IssuedRun, { task, params }: RunRequest): HeldCredentials => ({
  ...('secret' in issued ? { secret: issued.secret } : { keys: issued.credentials }),
  allow: issued.allow ?? bindStatements(task.allow, params),
});
