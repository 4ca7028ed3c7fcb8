/** Somebody asked us to end: nothing is at fault. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const signals = ['SIGINT', 'SIGTERM'] as const;

/**
 * Gives what `work` gives, unless SIGINT or SIGTERM comes first: then it throws, so that `finally` runs.
 * From then on the signals are deaf: they often come twice, and the second would end the clearing up.
 */
export async function runUntilInterrupted<T>(work: Promise<T>): Promise<T> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const interrupt = (signal: NodeJS.Signals): void => {
    reject(new Interrupted(`interrupted by ${signal}`));
  };
  for (const signal of signals) process.on(signal, interrupt);
  // Work that goes on after an interruption fails when its cluster goes; nobody waits for it.
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

/** Does work that no signal may cut short, such as clearing up. */
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
