/**
 * What a measured value belongs to. Its exemplar leads from a bucket of a histogram to the records and log
 * lines, and to the trace.
 */
export type ExemplarIds = {
  readonly run?: string | undefined;
  readonly request?: string | undefined;
  /** Only of a trace that is kept. */
  readonly trace?: string | undefined;
};

/** Read at each observation. */
export type ExemplarDeps = {
  /** Of the request in whose course a value is observed. */
  readonly readIds: () => Pick<ExemplarIds, 'request' | 'trace'>;
};

/** Labels of exemplars, which are not labels of series. */
export type ExemplarLabel = 'run_id' | 'request_id' | 'trace_id';
export type ExemplarLabels = Readonly<Partial<Record<ExemplarLabel, string>>>;

const ID = /^[\w-]{1,64}$/;

/**
 * Builds the labels of an exemplar: the run, or the request where there is no run, and the trace. There is no
 * place for all three: OpenMetrics permits 128 characters for names and values together. Text that is no ID
 * is left out, so that neither a secret becomes an exemplar nor an observation fails.
 */
export const toExemplarLabels = ({ run, request, trace }: ExemplarIds): ExemplarLabels => ({
  ...(isId(run) ? { run_id: run } : isId(request) && { request_id: request }),
  ...(isId(trace) && { trace_id: trace }),
});

const isId = (text: string | undefined): text is string => text !== undefined && ID.test(text);
