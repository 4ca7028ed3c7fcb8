import type { MetricSpec } from './metric.ts';
import { Counter, Gauge, Registry } from './prometheus.ts';
import { configOf, openHistogram } from './registered.ts';
import { SPECS } from './sidecar-metric-specs.ts';

/** Every metric of the sidecar, as its documentation lists them. */
export const SIDECAR_METRICS: readonly MetricSpec[] = Object.values(SPECS);

/** How the authority is heard at this moment. */
export type AuthorityReading = { readonly isConnected: boolean; readonly silenceSeconds: number };

/** Asked at each scrape. */
export type SidecarReadings = {
  /** What remains of the credentials held, by task. */
  readonly remainingSeconds: () => ReadonlyMap<string, number>;
  /** Nothing where there is no authority. */
  readonly authority: () => AuthorityReading | undefined;
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
export const openSidecarMetrics = ({
  remainingSeconds,
  authority,
}: SidecarReadings): SidecarMetrics => {
  const registry = new Registry();
  const counter = (spec: MetricSpec) => new Counter(configOf(spec, registry));
  const gauge = (spec: MetricSpec) => new Gauge(configOf(spec, registry));
  const exchanges = counter(SPECS.exchanges);
  const seconds = openHistogram(SPECS.exchangeSeconds, registry);
  const started = counter(SPECS.runsStarted);
  const ended = counter(SPECS.runsEnded);
  const skew = gauge(SPECS.clockSkew);
  const packed = gauge(SPECS.packedPolicy);
  const revocations = counter(SPECS.revocations);
  const endReports = counter(SPECS.endReports);
  collectRemaining(registry, remainingSeconds);
  const ifHeard = (read: (reading: AuthorityReading) => number) => () => {
    const reading = authority();
    return reading && read(reading);
  };
  collectIfAny(
    registry,
    SPECS.streamConnected,
    ifHeard(({ isConnected }) => Number(isConnected)),
  );
  collectIfAny(
    registry,
    SPECS.silence,
    ifHeard(({ silenceSeconds }) => silenceSeconds),
  );
  return {
    countRequest: openRequestCounts(registry),
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
    ...configOf(SPECS.remaining, registry),
    collect() {
      this.reset();
      for (const [task, seconds] of remaining()) this.set({ task }, seconds);
    },
  });

/** Without a value there is no sample: a gauge would otherwise say 0. */
const collectIfAny = (
  registry: Registry,
  spec: MetricSpec,
  read: () => number | undefined,
): void => {
  const gauge: Gauge = new Gauge({
    ...configOf(spec, registry),
    collect: () => {
      const value = read();
      if (value === undefined) gauge.remove();
      else gauge.set(value);
    },
  });
};

/** Counted in plain numbers, and told to prom-client at a scrape: it hashes labels at each call. */
const openRequestCounts = (registry: Registry): SidecarMetrics['countRequest'] => {
  const counts = new Map<string, Map<number, number>>();
  new Counter({
    ...configOf(SPECS.requests, registry),
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
