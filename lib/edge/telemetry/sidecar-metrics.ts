import type { MetricSpec } from './metric-spec.ts';
import { Counter, Gauge, Registry } from './prometheus.ts';
import { toMetricConfig, createHistogram } from './metric-registration.ts';
import { SIDECAR_METRIC_SPECS } from './sidecar-metric-specs.ts';

/** Every metric of the sidecar, as its documentation lists them. */
export const SIDECAR_METRICS: readonly MetricSpec[] = Object.values(SIDECAR_METRIC_SPECS);

/** How the authority is heard at this moment. */
export type AuthorityConnectionState = {
  readonly isConnected: boolean;
  readonly disconnectedSeconds: number;
};

/** Asked at each scrape. */
export type SidecarMetricsDeps = {
  /** What remains of the credentials held, by task. */
  readonly remainingSeconds: () => ReadonlyMap<string, number>;
  /** Nothing where there is no authority. */
  readonly authority: () => AuthorityConnectionState | undefined;
};

export type SidecarMetrics = {
  /** An answered request. Called for every one: it costs an addition. */
  readonly countRequest: (route: string, status: number) => void;
  readonly exchangeEnded: (task: string, outcome: string, seconds: number) => void;
  readonly packedPolicy: (task: string, percent: number) => void;
  readonly clockSkew: (seconds: number) => void;
  readonly runStarted: (task: string) => void;
  readonly runEnded: (task: string, reason: string) => void;
  readonly revocationReceived: () => void;
  readonly endReported: (outcome: string) => void;
  /** The text that Prometheus scrapes, and its content type. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
};

/**
 * The sidecar's metrics in a registry of their own, without the process's default ones: they would
 * cost more than ours.
 */
export const createSidecarMetrics = ({
  remainingSeconds,
  authority,
}: SidecarMetricsDeps): SidecarMetrics => {
  const registry = new Registry();
  const counter = (spec: MetricSpec) => new Counter(toMetricConfig(spec, registry));
  const gauge = (spec: MetricSpec) => new Gauge(toMetricConfig(spec, registry));
  const exchanges = counter(SIDECAR_METRIC_SPECS.exchanges);
  const seconds = createHistogram(SIDECAR_METRIC_SPECS.exchangeSeconds, registry);
  const started = counter(SIDECAR_METRIC_SPECS.runsStarted);
  const ended = counter(SIDECAR_METRIC_SPECS.runsEnded);
  const skew = gauge(SIDECAR_METRIC_SPECS.clockSkew);
  const packed = gauge(SIDECAR_METRIC_SPECS.packedPolicy);
  const revocations = counter(SIDECAR_METRIC_SPECS.revocations);
  const endReports = counter(SIDECAR_METRIC_SPECS.endReports);
  collectRemaining(registry, remainingSeconds);
  const readState = (read: (reading: AuthorityConnectionState) => number) => () => {
    const reading = authority();
    return reading && read(reading);
  };
  collectOptional(
    registry,
    SIDECAR_METRIC_SPECS.streamConnected,
    readState(({ isConnected }) => Number(isConnected)),
  );
  collectOptional(
    registry,
    SIDECAR_METRIC_SPECS.lastContact,
    readState(({ disconnectedSeconds }) => disconnectedSeconds),
  );
  return {
    countRequest: createRequestCounter(registry),
    exchangeEnded: (task, outcome, took) => {
      exchanges.inc({ task, outcome });
      seconds.observe({ outcome }, took);
    },
    packedPolicy: (task, percent) => packed.set({ task }, percent),
    clockSkew: (value) => skew.set(value),
    runStarted: (task) => started.inc({ task }),
    runEnded: (task, reason) => ended.inc({ task, reason }),
    revocationReceived: () => revocations.inc(),
    endReported: (outcome) => endReports.inc({ outcome }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
};

const collectRemaining = (registry: Registry, remaining: () => ReadonlyMap<string, number>) =>
  new Gauge({
    ...toMetricConfig(SIDECAR_METRIC_SPECS.remaining, registry),
    collect() {
      this.reset();
      for (const [task, seconds] of remaining()) this.set({ task }, seconds);
    },
  });

/** Without a value there is no sample: a gauge would otherwise say 0. */
const collectOptional = (
  registry: Registry,
  spec: MetricSpec,
  read: () => number | undefined,
): void => {
  const gauge: Gauge = new Gauge({
    ...toMetricConfig(spec, registry),
    collect: () => {
      const value = read();
      if (value === undefined) gauge.remove();
      else gauge.set(value);
    },
  });
};

/** Counted in plain numbers, and told to prom-client at a scrape: it hashes labels at each call. */
const createRequestCounter = (registry: Registry): SidecarMetrics['countRequest'] => {
  const counts = new Map<string, Map<number, number>>();
  new Counter({
    ...toMetricConfig(SIDECAR_METRIC_SPECS.requests, registry),
    collect() {
      this.reset();
      for (const [route, byStatus] of counts) {
        for (const [code, count] of byStatus) this.inc({ route, code }, count);
      }
    },
  });
  return (route, status) => {
    let byStatus = counts.get(route);
    if (byStatus === undefined) counts.set(route, (byStatus = new Map<number, number>()));
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
  };
};
