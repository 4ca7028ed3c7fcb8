type CleanupStep = () => void | Promise<void>;

/** Cleanup functions, run in reverse order; each runs once, however often cleanup is requested. */
export type CleanupStack = {
  readonly defer: (undo: CleanupStep) => void;
  /**
   * Runs all functions, also those that are added meanwhile, and those after one that fails.
   *
   * @throws AggregateError with what they threw
   */
  readonly close: () => Promise<void>;
  readonly isClosed: () => boolean;
};

export const createCleanupStack = (): CleanupStack => {
  const undos: CleanupStep[] = [];
  const errors: unknown[] = [];
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
  };
  return {
    defer: (undo) => {
      undos.push(undo);
      if (closing !== undefined) closing = closing.then(closeAll);
    },
    close: async () => {
      closing ??= closeAll();
      for (let awaited; awaited !== closing;) {
        awaited = closing;
        await awaited;
      }
      if (errors.length > 0) throw buildCleanupError(errors);
    },
    isClosed: () => closing !== undefined,
  };
};

/**
 * Runs all cleanup functions concurrently, as one entry of the stack, so that slow shutdowns overlap.
 */
export const createParallelCleanup = (closing: CleanupStack): Pick<CleanupStack, 'defer'> => {
  const undos: CleanupStep[] = [];
  closing.defer(async () => {
    const results = await Promise.allSettled(undos.map(async (undo) => undo()));
    const errors = results.flatMap((one): unknown[] =>
      one.status === 'rejected' ? [one.reason] : [],
    );
    if (errors.length > 0) throw buildCleanupError(errors);
  });
  return {
    defer: (undo) => {
      if (closing.isClosed()) closing.defer(undo);
      else undos.push(undo);
    },
  };
};

const buildCleanupError = (errors: readonly unknown[]): Error =>
  new AggregateError(errors, `the cleanup failed: ${errors.map(String).join('; ')}`);
