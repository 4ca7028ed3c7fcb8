type CleanupStep = () => void | Promise<void>;

/** Cleanup functions, run in reverse order; each runs once, however often cleanup is requested. */
export type CleanupStack = {
  readonly defer: (undo: CleanupStep) => void;
  readonly close: () => Promise<void>;
  readonly isClosed: () => boolean;
};

export const createCleanupStack = (): CleanupStack => {
  const undos: CleanupStep[] = [];
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) await undo();
  };
  return {
    defer: (undo) => {
      undos.push(undo);
      // Also run functions that were added during the cleanup.
      if (closing !== undefined) closing = closing.then(closeAll);
    },
    close: () => (closing ??= closeAll()),
    isClosed: () => closing !== undefined,
  };
};

/**
 * Runs all cleanup functions concurrently, as one entry of the stack, so that slow shutdowns overlap.
 */
export const createParallelCleanup = (closing: CleanupStack): Pick<CleanupStack, 'defer'> => {
  const undos: CleanupStep[] = [];
  closing.defer(async () => {
    await Promise.all(undos.map(async (undo) => undo()));
  });
  return {
    defer: (undo) => {
      if (closing.isClosed()) closing.defer(undo);
      else undos.push(undo);
    },
  };
};
