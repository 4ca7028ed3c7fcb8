import type { ExemplarLabel } from './exemplar.ts';

/**
 * One metric of a program: registered by the program and listed in `docs/metrics.md`. Every label
 * has a small, fixed set of values: never a pod UID, a session name or a secret.
 */
export type MetricSpec = {
  /** Ends in its unit, in `_total` for a counter, or in `_info` for constant labels. */
  readonly name: `${'valetkey' | 'process' | 'nodejs'}_${string}`;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** A Prometheus base unit; `1` for counts, booleans and info metrics. */
  readonly unit: 'seconds' | 'ratio' | 'bytes' | '1';
  /** Upper bounds of a histogram's buckets, in `unit`. */
  readonly buckets?: readonly number[];
  /** Labels of the exemplars of a histogram's buckets; absent: it has none. */
  readonly exemplars?: readonly ExemplarLabel[];
};

/** Exported by every program. */
export const BUILD_INFO_SPEC = {
  name: 'valetkey_build_info',
  type: 'gauge',
  help: 'Always 1. The label holds the version of the running program.',
  labels: ['version'],
  unit: '1',
} as const satisfies MetricSpec;

/** The most series of one replica, or of the sidecar of a pod with one task; `docs/metrics.md` states them. */
export const MAX_SERIES = { webhook: 250, authority: 2_600, sidecar: 400 } as const;
