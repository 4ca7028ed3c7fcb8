import type { Schedule } from '../contract/schedule.ts';
import { runOutsideRequest } from './request-context.ts';
import { addJitter, computeBackoffMs, type BackoffOptions } from './backoff.ts';

/** One pass after another, never two at a time. */
export type ReconcileLoop = {
  /** Starts a pass now, or as soon as the pass in progress has ended. */
  readonly wake: () => void;
  readonly stop: () => void;
};

export type ReconcileLoopOptions = {
  /**
   * One pass. Whatever it throws goes to `onFailure`.
   *
   * @returns milliseconds until the next pass, before jitter
   */
  readonly reconcile: () => Promise<number>;
  readonly onFailure: (error: unknown) => void;
  /** Delay after failed passes. */
  readonly retry: BackoffOptions;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
  readonly schedule?: Schedule;
};

/** Starts a loop: its first pass begins at once. */
export const startReconcileLoop = ({
  schedule = scheduleTimeout,
  ...options
}: ReconcileLoopOptions): ReconcileLoop => {
  const runPass = createPass(options);
  let phase: 'waiting' | 'running' | 'woken' | 'stopped' = 'waiting';
  let cancel = (): void => undefined;

  const start = (): void => {
    phase = 'running';
    void runOutsideRequest(runPass).then(scheduleNext);
  };
  const scheduleNext = (delayMs: number): void => {
    if (phase === 'stopped') return;
    const delay = phase === 'woken' ? 0 : delayMs;
    cancel = runOutsideRequest(() => schedule(delay, start));
    phase = 'waiting';
  };

  start();
  return {
    wake: () => {
      if (phase === 'running') phase = 'woken';
      if (phase !== 'waiting') return;
      cancel();
      start();
    },
    stop: () => {
      phase = 'stopped';
      cancel();
    },
  };
};

/** @returns a pass that never rejects and resolves to the delay before the next one */
const createPass = ({
  reconcile,
  onFailure,
  retry,
  random,
}: Omit<ReconcileLoopOptions, 'schedule'>): (() => Promise<number>) => {
  let failures = 0;
  return async () => {
    try {
      const delayMs = await reconcile();
      failures = 0;
      return addJitter(delayMs, random);
    } catch (error) {
      failures += 1;
      onFailure(error);
      return computeBackoffMs(failures, { ...retry, random });
    }
  };
};

const scheduleTimeout: Schedule = (delayMs, action) => {
  const timer = setTimeout(action, delayMs);
  return () => clearTimeout(timer);
};
