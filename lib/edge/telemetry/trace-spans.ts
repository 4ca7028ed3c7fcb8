import type { RequestListener } from 'node:http';

/** Where spans go, and which share of the traces is kept. */
export type TracingOptions = {
  /** `http(s)://host:port` of a collector (OTLP over HTTP). */
  readonly endpoint: string;
  /** From 0 to 1. */
  readonly samplerRatio: number;
  /** `service.name` of the spans. */
  readonly program: string;
};

/** The spans of the programs. A name is a constant: none holds a resource, a task or a path that was sent. */
export type SpanName =
  | 'admission.evaluate'
  | 'admission.read_context'
  | 'exchange.verify_token'
  | 'exchange.identify_workload'
  | 'exchange.decide'
  | 'exchange.record'
  | 'exchange.issue'
  | 'sidecar.exchange'
  | 'sts.assume_role';

export type Tracing = {
  /**
   * Wraps a step in a span. Without a span around it, as in a loop, the step has none.
   *
   * @param kind `root`: starts a trace; `client`: calls another system
   */
  readonly wrap: <A extends readonly unknown[], R>(
    name: SpanName,
    step: (...given: A) => Promise<R>,
    kind?: 'root' | 'client',
  ) => (...given: A) => Promise<R>;
  /** Continues the trace of each POST to a path of the list. */
  readonly wrapListener: (listener: RequestListener, paths: readonly string[]) => RequestListener;
  /** `traceparent` of the current span; empty outside of spans. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** The ID of the current trace if it is kept. */
  readonly traceId: () => string | undefined;
  /** Sends what is waiting. Never rejects. */
  readonly stop: () => Promise<void>;
};
