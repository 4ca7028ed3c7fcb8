/** A destination of records. */
export type Sink = {
  /**
   * Stores `lines`, each with its line break, durably. After a failure it is called again with the same
   * lines and must store them once.
   *
   * @param isSealed whether the last line has a seal: a new file may start after it
   * @throws AuditError
   */
  readonly append: (lines: string, isSealed: boolean) => Promise<void>;
  /** Whether the current file has its maximum size or age, so that a seal lets the next one start. */
  readonly isFull?: () => boolean;
  readonly close: () => Promise<void>;
};

/**
 * Combines several sinks. Lines that a sink failed to store are kept and written before any others,
 * because another sink may have stored them and a chain never goes back.
 */
export const createCombinedSink = (sinks: readonly Sink[]) => {
  let pendingLines = '';
  let isPendingSealed = false;
  let pendingSinks: readonly Sink[] = [];
  const settle = async (): Promise<void> => {
    for (const sink of pendingSinks) {
      await sink.append(pendingLines, isPendingSealed);
      pendingSinks = pendingSinks.slice(1);
    }
  };
  return {
    /** Writes pending lines of an earlier failure, if any. */
    settle,
    isFull: (): boolean => sinks.some(({ isFull }) => isFull?.() === true),
    append: (lines: string, isSealed: boolean): Promise<void> => {
      pendingLines = lines;
      isPendingSealed = isSealed;
      pendingSinks = sinks;
      return settle();
    },
    close: async (): Promise<void> => {
      await Promise.all(sinks.map((sink) => sink.close()));
    },
  };
};
