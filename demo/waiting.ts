import { setTimeout as pause } from 'node:timers/promises';
import type { Child } from './child-process.ts';

const POLL_MS = 20;

/**
 * Awaits a child's sign of readiness.
 *
 * @returns milliseconds it took
 * @throws Error with the child's last log lines when it ends first or is late
 */
export const waitUntilReady = async (
  child: Child,
  isReady: () => Promise<boolean>,
  { timeoutMs = 20_000 } = {},
): Promise<number> => {
  const startedAt = performance.now();
  for (;;) {
    if (await isReady().catch(() => false)) return performance.now() - startedAt;
    if (!child.isRunning()) throw buildChildError(child, 'ended before it was ready');
    if (performance.now() - startedAt > timeoutMs)
      throw buildChildError(child, 'was not ready in time');
    await pause(POLL_MS);
  }
};

/**
 * Awaits a child's end.
 *
 * @throws Error with its last log lines when it ends badly or is late
 */
export const waitForEnd = async (child: Child, timeoutMs: number): Promise<void> => {
  const timer = new AbortController();
  const late = pause(timeoutMs, undefined, { signal: timer.signal }).then(() => 'late' as const);
  const end = await Promise.race([child.ended, late.catch(() => 'late' as const)]);
  timer.abort();
  if (end === 'late') throw buildChildError(child, 'was not done in time');
  if (end !== 0) throw buildChildError(child, `ended with ${end}`);
};

const buildChildError = (child: Child, what: string): Error =>
  new Error(`${child.name} ${what}; its last lines:\n${child.lastLog()}`);
