import type { Usage } from '../../contract/usage.ts';
import { VERSION } from '../../contract/version.ts';
import { toExemplarLabels, type ExemplarIds } from './exemplar.ts';
import type { MetricRegistry } from './exposition.ts';
import { BUILD_INFO_SPEC, type MetricSpec } from './metric-spec.ts';
import { Counter, Gauge, Histogram } from './prometheus.ts';

/** The configuration that prom-client's constructors take. */
export const toMetricConfig = ({ name, help, labels }: MetricSpec, registry: MetricRegistry) => ({
  name,
  help,
  labelNames: [...labels],
  registers: [registry],
});

export const createCounter = (spec: MetricSpec, registry: MetricRegistry): Counter =>
  new Counter(toMetricConfig(spec, registry));

export const createGauge = (spec: MetricSpec, registry: MetricRegistry): Gauge =>
  new Gauge(toMetricConfig(spec, registry));

/** A counter by `outcome`. Each starts at 0, so that `increase()` and `rate()` see the first one. */
export const createOutcomeCounter = (
  spec: MetricSpec,
  registry: MetricRegistry,
  outcomes: readonly string[],
): Counter => {
  const counter = createCounter(spec, registry);
  for (const outcome of outcomes) counter.inc({ outcome }, 0);
  return counter;
};

/** @param spec must define its buckets */
export const createHistogram = (
  spec: MetricSpec & Required<Pick<MetricSpec, 'buckets'>>,
  registry: MetricRegistry,
): Histogram =>
  new Histogram({
    ...toMetricConfig(spec, registry),
    buckets: [...spec.buckets],
    enableExemplars: spec.exemplars !== undefined,
  });

/** Adds a value to a histogram with exemplars: each bucket keeps the exemplar of its latest value. */
export type ObserveWithExemplar = (
  labels: Readonly<Record<string, string>>,
  value: number,
  ids: ExemplarIds,
) => void;

/**
 * @param spec must define its buckets and the labels of its exemplars
 * @param zeros labels of series that exist before their first value
 */
export const createExemplarHistogram = (
  spec: MetricSpec & Required<Pick<MetricSpec, 'buckets' | 'exemplars'>>,
  registry: MetricRegistry,
  zeros: readonly Readonly<Record<string, string>>[] = [],
): ObserveWithExemplar => {
  const histogram = createHistogram(spec, registry);
  for (const labels of zeros) histogram.zero(labels);
  return (labels, value, ids) =>
    histogram.observe({ labels, value, exemplarLabels: toExemplarLabels(ids) });
};

/** One sample of a gauge: its labels (none for an unlabeled gauge) and its value. */
export type Sample = { readonly labels?: Readonly<Record<string, string>>; readonly value: number };

/**
 * A gauge whose samples are read at each scrape. Labels without a sample are absent, because a gauge
 * that keeps its last value, or starts at 0, would report something that was not measured.
 */
export const registerCollectedGauge = (
  spec: MetricSpec,
  registry: MetricRegistry,
  readSamples: () => readonly Sample[] | Promise<readonly Sample[]>,
): void => {
  const gauge: Gauge = new Gauge({
    ...toMetricConfig(spec, registry),
    collect: async () => {
      const samples = await readSamples();
      // An unlabeled gauge is 0 after a reset and absent only after a removal.
      if (spec.labels.length === 0) gauge.remove();
      else gauge.reset();
      for (const { labels = {}, value } of samples) gauge.set(labels, value);
    },
  });
};

/** Sets how the use of a resource is read at each scrape. */
export type MeasureCapacity<Resource extends string> = (
  resource: Resource,
  read: () => Usage,
) => void;

/** Two gauges, by resource: its use and its maximum. A resource is absent until it is measured. */
export const registerCapacity = <Resource extends string>(
  { used, max }: { readonly used: MetricSpec; readonly max: MetricSpec },
  registry: MetricRegistry,
): MeasureCapacity<Resource> => {
  const readers = new Map<Resource, () => Usage>();
  const register = (spec: MetricSpec, toValue: (usage: Usage) => number): void =>
    registerCollectedGauge(spec, registry, () =>
      [...readers].map(([resource, read]) => ({ labels: { resource }, value: toValue(read()) })),
    );
  register(used, (usage) => usage.used);
  register(max, (usage) => usage.max);
  return (resource, read) => void readers.set(resource, read);
};

/** `valetkey_build_info{version="…"} 1` */
export const registerBuildInfo = (registry: MetricRegistry): void =>
  new Gauge(toMetricConfig(BUILD_INFO_SPEC, registry)).set({ version: VERSION }, 1);

export type LastSyncDeps<Resource extends string> = {
  /** Wall clock, in milliseconds since the epoch. */
  readonly now: () => number;
  /** Seconds since the last sync of each watch, on the monotonic clock; nothing before the first. */
  readonly secondsSinceSync: Readonly<Record<Resource, () => number | undefined>>;
};

/** One sample for each watch that has synced, in seconds since the epoch. */
export const readLastSyncs = <Resource extends string>({
  now,
  secondsSinceSync,
}: LastSyncDeps<Resource>): readonly Sample[] =>
  Object.entries<() => number | undefined>(secondsSinceSync).flatMap(([resource, read]) => {
    const seconds = read();
    return seconds === undefined ? [] : [{ labels: { resource }, value: now() / 1000 - seconds }];
  });
