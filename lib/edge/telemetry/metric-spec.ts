/**
 * One metric of a program, as code, as `docs/metrics.md` lists it and as Prometheus sees it. Every
 * label has a small, known set of values: never a pod uid, a session name or anything secret.
 */
export type MetricSpec = {
  /** Ends in its unit, or in `_total` for a counter. */
  readonly name: `valetkey_${string}`;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** `seconds`, `percent`, `1` for plain counts. */
  readonly unit: 'seconds' | 'percent' | 'bytes' | '1';
  /** Upper bounds of a histogram's buckets, in `unit`. */
  readonly buckets?: readonly number[];
};
