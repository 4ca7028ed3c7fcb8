import {
  createHistogram,
  registerBuildInfo,
  registerCollectedGauge,
  toMetricConfig,
} from './metric-registration.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import type { MetricSpec } from './metric-spec.ts';
import { Counter, Gauge, Registry } from './prometheus.ts';
import { SIDECAR_METRIC_SPECS as SPECS } from './sidecar-metric-specs.ts';

/** Every metric of the sidecar, in the order of its documentation. */
export const SIDECAR_METRICS: readonly MetricSpec[] = Object.values(SPECS);

export type AuthorityConnectionState = {
  /** Whether the event stream is connected. */
  readonly isConnected: boolean;
  /** Last event or decision, in milliseconds since the epoch. */
  readonly lastContactAt: number;
};

/** What the gateway holds now. */
export type GatewayState = {
  readonly callsInFlight: number;
  readonly bufferedBytes: number;
  readonly upstreamConnections: number;
  /** 1 while calls are refused because their journal cannot be written, else 0. */
  readonly journalBlocked: number;
};

const GATEWAY_GAUGES = [
  'callsInFlight',
  'bufferedBytes',
  'upstreamConnections',
  'journalBlocked',
] as const satisfies readonly (keyof GatewayState)[];

/** Read at each scrape. */
export type SidecarMetricsDeps = {
  /** Names of the declared tasks: their exchanges start at 0, so that alerts see the first failure. */
  readonly tasks: readonly string[];
  /** Deadline of the longest-lived credentials of each task, in milliseconds since the epoch. */
  readonly readExpirations: () => ReadonlyMap<string, number>;
  /** @returns nothing with `trust: cluster` */
  readonly authority: () => AuthorityConnectionState | undefined;
  /** @returns nothing before the gateway's first connection */
  readonly gateway: () => GatewayState | undefined;
};

export type SidecarMetrics = {
  /** Counts an answered request. Called for each one, so it only adds two numbers. */
  readonly countRequest: (route: string, status: number) => void;
  readonly exchangeEnded: (task: string, outcome: string, seconds: number) => void;
  /** @param percent of the packed size that STS allows */
  readonly packedPolicy: (task: string, percent: number) => void;
  readonly clockSkew: (seconds: number) => void;
  readonly runStarted: (task: string) => void;
  readonly runEnded: (task: string, reason: string) => void;
  readonly revocationReceived: () => void;
  readonly endReported: (outcome: string) => void;
  readonly callEnded: (outcome: EndedCall) => void;
  /** The text that Prometheus scrapes, and its content type. */
  readonly render: () => Promise<string>;
  readonly contentType: string;
};

/**
 * Creates the sidecar's metrics in their own registry, without prom-client's default process
 * metrics: those would cost more than all of the others.
 */
export const createSidecarMetrics = (deps: SidecarMetricsDeps): SidecarMetrics => {
  const registry = new Registry();
  const counter = (spec: MetricSpec) => new Counter(toMetricConfig(spec, registry));
  const gauge = (spec: MetricSpec) => new Gauge(toMetricConfig(spec, registry));
  const exchanges = counter(SPECS.exchanges);
  const exchangeSeconds = createHistogram(SPECS.exchangeSeconds, registry);
  const started = counter(SPECS.runsStarted);
  const ended = counter(SPECS.runsEnded);
  const skew = gauge(SPECS.clockSkew);
  const packedPolicy = gauge(SPECS.packedPolicy);
  const revocations = counter(SPECS.revocations);
  const endReports = counter(SPECS.endReports);
  for (const task of deps.tasks) {
    for (const outcome of ['issued', 'refused', 'unavailable']) exchanges.inc({ task, outcome }, 0);
  }
  registerBuildInfo(registry);
  registerReadings(registry, deps);
  return {
    countRequest: createRequestCounter(registry),
    exchangeEnded: (task, outcome, seconds) => {
      exchanges.inc({ task, outcome });
      exchangeSeconds.observe({ outcome }, seconds);
    },
    packedPolicy: (task, percent) => packedPolicy.set({ task }, percent / 100),
    clockSkew: (seconds) => skew.set(seconds),
    runStarted: (task) => started.inc({ task }),
    runEnded: (task, reason) => ended.inc({ task, reason }),
    revocationReceived: () => revocations.inc(),
    endReported: (outcome) => endReports.inc({ outcome }),
    callEnded: createCallObserver(registry),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
};

const registerReadings = (
  registry: Registry,
  { readExpirations, authority, gateway }: SidecarMetricsDeps,
): void => {
  registerCollectedGauge(SPECS.credentialsExpiration, registry, () =>
    [...readExpirations()].map(([task, at]) => ({ labels: { task }, value: at / 1000 })),
  );
  const readState = (toValue: (state: AuthorityConnectionState) => number) => () => {
    const state = authority();
    return state === undefined ? [] : [{ value: toValue(state) }];
  };
  registerCollectedGauge(
    SPECS.streamConnected,
    registry,
    readState(({ isConnected }) => Number(isConnected)),
  );
  registerCollectedGauge(
    SPECS.lastContact,
    registry,
    readState(({ lastContactAt }) => lastContactAt / 1000),
  );
  const readGateway = (key: keyof GatewayState) => () => {
    const state = gateway();
    return state === undefined ? [] : [{ value: state[key] }];
  };
  for (const key of GATEWAY_GAUGES) registerCollectedGauge(SPECS[key], registry, readGateway(key));
};

const createCallObserver = (registry: Registry): SidecarMetrics['callEnded'] => {
  const counter = (spec: MetricSpec) => new Counter(toMetricConfig(spec, registry));
  const calls = counter(SPECS.calls);
  const seconds = createHistogram(SPECS.callSeconds, registry);
  const overhead = createHistogram(SPECS.callOverheadSeconds, registry);
  const bytes = counter(SPECS.callBytes);
  const unresolved = counter(SPECS.unresolved);
  return ({ task = 'none', outcome, code = 'none', ...call }) => {
    calls.inc({ task, outcome, code });
    seconds.observe({ outcome }, call.ms / 1000);
    overhead.observe(call.overheadMs / 1000);
    bytes.inc({ direction: 'in' }, call.bytesIn);
    bytes.inc({ direction: 'out' }, call.bytesOut);
    if (outcome !== 'refused' && call.isResolved === false)
      unresolved.inc({ service: call.service ?? 'none' });
  };
};

/** Counts in plain numbers and hands them to prom-client at a scrape, because it hashes labels at each call. */
const createRequestCounter = (registry: Registry): SidecarMetrics['countRequest'] => {
  const counts = new Map<string, Map<number, number>>();
  new Counter({
    ...toMetricConfig(SPECS.requests, registry),
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
