/** A place where records are kept. */
export type Sink = {
  /**
   * Resolves once `lines`, each with its line break, are kept for good. After a failure it is called
   * with the same lines again, and then keeps them once.
   *
   * @throws AuditError
   */
  readonly append: (lines: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * Several sinks as one. Lines that a sink has refused stay at hand and go before any others: a chain
 * never goes back, since another sink may hold them already.
 */
export const createCombinedSink = (sinks: readonly Sink[]) => {
  let owed = '';
  let owing: readonly Sink[] = [];
  const settle = async (): Promise<void> => {
    for (const sink of owing) {
      await sink.append(owed);
      owing = owing.slice(1);
    }
  };
  return {
    /** Writes what is owed from before; nothing to do mostly. */
    settle,
    append: (lines: string): Promise<void> => {
      owed = lines;
      owing = sinks;
      return settle();
    },
    close: async (): Promise<void> => {
      await Promise.all(sinks.map((sink) => sink.close()));
    },
  };
};
