import type { Io } from './io.ts';

/** When the first line of progress follows, and the time between two. */
export const PROGRESS = { firstMs: 1_000, everyMs: 10_000 } as const;

/**
 * Does work that may take long. On a terminal, standard error says after a second that it goes on, and then every
 * ten seconds.
 *
 * @param what names the work: `reading audit files`
 */
export const withProgress = async <T>(
  what: string,
  work: () => Promise<T>,
  io: Pick<Io, 'showsProgress' | 'schedule' | 'now' | 'error'>,
): Promise<T> => {
  if (io.showsProgress !== true) return work();
  const start = io.now();
  const report = (): void => {
    io.error(`${what}, ${Math.round((io.now() - start) / 1000)} s\n`);
    cancel = io.schedule(PROGRESS.everyMs, report);
  };
  let cancel = io.schedule(PROGRESS.firstMs, report);
  try {
    return await work();
  } finally {
    cancel();
  }
};
