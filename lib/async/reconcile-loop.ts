/** Something done again and again, one at a time. */
export type ReconcileLoop = {
  /** Runs now, or as soon as the run under way is over. */
  readonly wake: () => void;
  readonly stop: () => void;
};

/**
 * Starts a loop.
 *
 * @param run does it once and answers how many milliseconds to wait; it must not throw
 */
export const startReconcileLoop = (run: () => Promise<number>): ReconcileLoop => {
  const state: { timer?: NodeJS.Timeout; phase: 'waiting' | 'running' | 'woken' | 'stopped' } = {
    phase: 'waiting',
  };
  const turn = async (): Promise<void> => {
    state.phase = 'running';
    const delayMs = await run();
    if (isStopped()) return;
    state.timer = setTimeout(begin, isWoken() ? 0 : delayMs);
    state.phase = 'waiting';
  };
  const isWoken = (): boolean => state.phase === 'woken';
  const isStopped = (): boolean => state.phase === 'stopped';
  const begin = (): void => void turn();

  begin();
  return {
    wake: () => {
      if (state.phase === 'running') state.phase = 'woken';
      if (state.phase !== 'waiting') return;
      clearTimeout(state.timer);
      begin();
    },
    stop: () => {
      state.phase = 'stopped';
      clearTimeout(state.timer);
    },
  };
};

/** Doubles with each failure from `firstMs` to `mostMs`, spread so that replicas do not march. */
export const computeBackoffMs = (
  attempt: number,
  { firstMs, mostMs, random }: { firstMs: number; mostMs: number; random: () => number },
): number => addJitter(Math.min(firstMs * 2 ** Math.min(attempt - 1, 20), mostMs), random);

/** Within a fifth of `ms`. */
export const addJitter = (ms: number, random: () => number): number => ms * (0.8 + 0.4 * random());
