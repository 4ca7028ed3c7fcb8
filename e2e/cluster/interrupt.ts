/** SIGINT or SIGTERM ended the work. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const signals = ['SIGINT', 'SIGTERM'] as const;

/**
 * Awaits `work`, unless SIGINT or SIGTERM arrives first: then it throws, so that `finally` runs. Further
 * signals are ignored, because they often arrive twice and the second would end the cleanup.
 */
export async function runUntilInterrupted<T>(work: Promise<T>): Promise<T> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const interrupt = (signal: NodeJS.Signals): void => {
    reject(new Interrupted(`interrupted by ${signal}`));
  };
  for (const signal of signals) process.on(signal, interrupt);
  // After an interruption, the work fails with its cluster, and its error is irrelevant.
  work.catch(() => undefined);
  try {
    const result = await Promise.race([work, interrupted]);
    stopListening(interrupt);
    return result;
  } catch (error) {
    if (!(error instanceof Interrupted)) stopListening(interrupt);
    throw error;
  }
}

/** Runs work that no signal may interrupt, such as a cleanup. */
export async function runUninterrupted<T>(work: () => Promise<T>): Promise<T> {
  const ignore = (): void => undefined;
  for (const signal of signals) process.on(signal, ignore);
  try {
    return await work();
  } finally {
    stopListening(ignore);
  }
}

function stopListening(listener: (signal: NodeJS.Signals) => void): void {
  for (const signal of signals) process.off(signal, listener);
}
