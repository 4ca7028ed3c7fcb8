import { escapeInvisible } from '../../../lib/schema/field-error.ts';
import type { Io } from '../io.ts';
import { PROGRESS } from '../progress.ts';
import { EXIT, ToolError } from '../tool-error.ts';

/** What a wait saw: the value that it waited for, or why there is none yet. */
export type Observation<T> = { readonly done: T } | { readonly pending: string };

export type WaitOptions = {
  /** Names what is awaited: `MinIO to run`. */
  readonly goal: string;
  readonly timeoutMs: number;
  /** What the user does after a timeout. */
  readonly hint: string;
};

const INTERVAL_MS = 1_000;

/**
 * Repeats an observation until it is done, and prints progress to standard error if that takes over a second.
 *
 * @throws ToolError after the timeout, with the reason of the last observation
 */
export const waitUntil = async <T>(
  observe: () => Promise<Observation<T>>,
  { goal, timeoutMs, hint }: WaitOptions,
  io: Pick<Io, 'now' | 'schedule' | 'error'>,
): Promise<T> => {
  const start = io.now();
  let nextLineAt = start + PROGRESS.firstMs;
  for (;;) {
    const observed = await observe();
    if ('done' in observed) return observed.done;
    const now = io.now();
    const { pending } = observed;
    if (now - start >= timeoutMs) {
      const expected = `${goal} within ${Math.round(timeoutMs / 1000)} s`;
      throw new ToolError(EXIT.problems, [`expected ${expected}, got: ${pending}`, hint]);
    }
    if (now >= nextLineAt) {
      io.error(
        `waiting for ${goal}, ${Math.round((now - start) / 1000)} s: ${escapeInvisible(pending)}\n`,
      );
      nextLineAt = now + PROGRESS.everyMs;
    }
    await new Promise<void>((resolve) => void io.schedule(INTERVAL_MS, resolve));
  }
};
