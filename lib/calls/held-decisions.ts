import type { Schedule } from '../contract/schedule.ts';
import { ExchangeError } from '../contract/exchange.ts';
import type { DecideCall } from './gates.ts';

/** Calls that wait at a time: each keeps a connection, and the memory of its body. */
const MAX_WAITING = 8;
/** People who look at their screen answer within seconds. */
const POLL_MS = 2_000;

/**
 * Creates what asks the authority about a call, and lets the call wait for people if the authority says so. Above
 * {@link MAX_WAITING} calls are refused at once, as without waiting.
 */
export const createHeldDecisions = (
  decideCall: DecideCall,
  { now, schedule }: { /** Monotonic milliseconds. */ now: () => number; schedule: Schedule },
): DecideCall => {
  let waiting = 0;

  const pause = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = schedule(POLL_MS, end);
      signal.addEventListener('abort', end, { once: true });
    });

  const wait = async (
    request: Parameters<DecideCall>[0],
    { pending, until }: { pending: ExchangeError; until: number },
  ): Promise<void> => {
    while (now() + POLL_MS <= until) {
      await pause(request.signal);
      if (request.signal.aborted) throw pending;
      try {
        await decideCall(request);
        return;
      } catch (thrown) {
        if (readHoldMs(thrown) === undefined) throw thrown;
      }
    }
    throw pending;
  };

  return async (request) => {
    const startedAt = now();
    try {
      await decideCall(request);
    } catch (thrown) {
      const holdMs = readHoldMs(thrown);
      if (holdMs === undefined || waiting >= MAX_WAITING) throw thrown;
      waiting += 1;
      try {
        await wait(request, { pending: thrown as ExchangeError, until: startedAt + holdMs });
      } finally {
        waiting -= 1;
      }
    }
  };
};

const readHoldMs = (thrown: unknown): number | undefined =>
  thrown instanceof ExchangeError && thrown.code === 'approval_pending' ? thrown.holdMs : undefined;
