/** A destination of records. */
export type Sink = {
  /**
   * Stores `lines`, each with its line break, durably. After a failure it is called again with the same
   * lines and must store them once.
   *
   * @throws AuditError
   */
  readonly append: (lines: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * Combines several sinks. Lines that a sink failed to store are kept and written before any others,
 * because another sink may have stored them and a chain never goes back.
 */
export const createCombinedSink = (sinks: readonly Sink[]) => {
  let pendingLines = '';
  let pendingSinks: readonly Sink[] = [];
  const settle = async (): Promise<void> => {
    for (const sink of pendingSinks) {
      await sink.append(pendingLines);
      pendingSinks = pendingSinks.slice(1);
    }
  };
  return {
    /** Writes pending lines of an earlier failure, if any. */
    settle,
    append: (lines: string): Promise<void> => {
      pendingLines = lines;
      pendingSinks = sinks;
      return settle();
    },
    close: async (): Promise<void> => {
      await Promise.all(sinks.map((sink) => sink.close()));
    },
  };
};
