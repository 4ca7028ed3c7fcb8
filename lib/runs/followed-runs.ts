import { MAX_FOLLOWED } from '../contract/authority-api.ts';
import type { Clock } from '../contract/clock.ts';
import { ExchangeError } from '../contract/exchange.ts';
import type { Schedule } from '../contract/schedule.ts';

/** The runs of other pods whose end ends runs of this pod. */
export type FollowedRuns = {
  /** What the next connection has to follow. */
  readonly list: () => readonly string[];
  /**
   * Resolves when the event stream follows the runs above a delegated one, and has said what of them has ended.
   *
   * @throws ExchangeError `too_many_runs`, `authority_unreachable`
   */
  readonly follow: (
    run: string,
    ancestors: readonly string[],
    signal: AbortSignal,
  ) => Promise<void>;
  readonly forget: (run: string) => void;
  /** A connection that follows these runs has listed the active revocations. */
  readonly confirm: (followed: readonly string[]) => void;
};

/** The authority asks the API server about the pod for each connection. */
const REOPEN_INTERVAL_MS = 1_000;
const TIMEOUT_MS = 10_000;

type Waiting = { readonly ancestors: readonly string[]; readonly resolve: () => void };

/** @param deps.reopen closes the current connection, so that the next one follows what {@link FollowedRuns.list} returns */
export const createFollowedRuns = ({
  clock,
  schedule,
  reopen,
}: {
  clock: Pick<Clock, 'monotonic'>;
  schedule: Schedule;
  reopen: () => void;
}): FollowedRuns => {
  const ancestorsByRun = new Map<string, readonly string[]>();
  const waiting = new Set<Waiting>();
  let confirmed: ReadonlySet<string> = new Set();
  let reopenedAt = -Infinity;
  let isScheduled = false;

  const list = (): readonly string[] => [...new Set([...ancestorsByRun.values()].flat())];
  const isFollowed = (ancestors: readonly string[]): boolean =>
    ancestors.every((each) => confirmed.has(each));
  const requestReopen = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    schedule(Math.max(0, reopenedAt + REOPEN_INTERVAL_MS - clock.monotonic()), () => {
      isScheduled = false;
      reopenedAt = clock.monotonic();
      if (waiting.size > 0) reopen();
    });
  };
  const wait = (ancestors: readonly string[], signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void) => (): void => {
        waiting.delete(entry);
        cancel();
        act();
      };
      const message = 'The event stream of the authority does not follow the runs above this one.';
      const fail = settle(() =>
        reject(new ExchangeError('unavailable', 'authority_unreachable', message)),
      );
      const entry: Waiting = { ancestors, resolve: settle(resolve) };
      const cancel = schedule(TIMEOUT_MS, fail);
      waiting.add(entry);
      signal.addEventListener('abort', fail, { once: true });
      requestReopen();
    });

  return {
    list,
    follow: async (run, ancestors, signal) => {
      ancestorsByRun.set(run, ancestors);
      if (list().length > MAX_FOLLOWED) {
        ancestorsByRun.delete(run);
        const message = `Delegated runs of this pod have more than ${MAX_FOLLOWED} runs above them, the maximum.`;
        throw new ExchangeError('unavailable', 'too_many_runs', message);
      }
      if (!isFollowed(ancestors)) await wait(ancestors, signal);
    },
    forget: (run) => void ancestorsByRun.delete(run),
    confirm: (followed) => {
      confirmed = new Set(followed);
      for (const entry of [...waiting]) if (isFollowed(entry.ancestors)) entry.resolve();
      if (waiting.size > 0) requestReopen();
    },
  };
};
