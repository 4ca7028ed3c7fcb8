import { toKubernetesError, type KubernetesError } from './kubernetes-error.ts';

export type WatchLoopOptions = {
  /** What is watched, for the error: `watch revocations`. */
  readonly culprit: string;
  readonly onError: (error: KubernetesError) => void;
  /** Milliseconds to wait before attempt number `attempt` (1, 2, …) after a failure. */
  readonly backoffMs: (attempt: number) => number;
  /**
   * Lists, then watches. Rejects when the watch fails; resolves after `signal` aborts. Calls
   * `onConnected` each time that a list has succeeded and a watch starts.
   */
  readonly run: (onConnected: () => void, signal: AbortSignal) => Promise<void>;
};

/** A watch that lasted this long fails for another reason than the one before it: reset the backoff. */
const STABLE_AFTER_MS = 5_000;

/**
 * Runs a watch until it is stopped, and again after each failure with backoff.
 *
 * @returns stops it
 */
export const startWatchLoop = ({
  culprit,
  onError,
  backoffMs,
  run,
}: WatchLoopOptions): (() => void) => {
  const stopped = new AbortController();
  const { signal } = stopped;
  let attempt = 0;
  const runOnce = async (): Promise<void> => {
    let connectedAt = Infinity;
    try {
      await run(() => (connectedAt = performance.now()), signal);
    } catch (error) {
      if (signal.aborted) return;
      attempt = performance.now() - connectedAt > STABLE_AFTER_MS ? 1 : attempt + 1;
      onError(toKubernetesError(culprit, error));
      await wait(backoffMs(attempt), signal);
    }
  };
  const repeat = async (): Promise<void> => {
    while (!signal.aborted) await runOnce();
  };
  void repeat();
  return () => stopped.abort();
};

/** Resolves after `ms` milliseconds, or when `signal` aborts. */
export const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
  if (ms <= 0) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  const timer = setTimeout(end, ms);
  signal.addEventListener('abort', end);
  await promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  });
};
