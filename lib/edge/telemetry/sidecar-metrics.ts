import {
  createCounter,
  createExemplarHistogram,
  createGauge,
  registerBuildInfo,
  registerCollectedGauge,
  toMetricConfig,
} from './metric-registration.ts';
import { GATES, type Gate } from '../../contract/authority-api.ts';
import type { EndedCall } from '../../calls/ended-call.ts';
import type { BudgetShare } from '../../runs/run-budgets.ts';
import type { ExemplarIds } from './exemplar.ts';
import { createRegistry, renderMetrics, type MetricRegistry } from './exposition.ts';
import type { MetricSpec } from './metric-spec.ts';
import type { MetricsFormat } from './metrics-format.ts';
import { Counter } from './prometheus.ts';
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
  /** Used shares of the budgets of tasks. */
  readonly readBudgetShares: () => readonly BudgetShare[];
  /** Gates of all active runs; nothing with `trust: cluster`. */
  readonly readGates: () => readonly Pick<Gate, 'gate'>[] | undefined;
  /** @returns nothing with `trust: cluster` */
  readonly authority: () => AuthorityConnectionState | undefined;
  /** @returns nothing before the gateway's first connection */
  readonly gateway: () => GatewayState | undefined;
};

export type EndedExchange = {
  readonly task: string;
  readonly outcome: string;
  readonly seconds: number;
  readonly ids: ExemplarIds;
};

export type SidecarMetrics = {
  /** Counts an answered request. Called for each one, so it only adds two numbers. */
  readonly countRequest: (route: string, status: number) => void;
  readonly exchangeEnded: (exchange: EndedExchange) => void;
  /** @param percent of the packed size that STS allows */
  readonly packedPolicy: (task: string, percent: number) => void;
  readonly clockSkew: (seconds: number) => void;
  /** @param works whether the kernel shows the gateway who connects */
  readonly peerChecked: (works: boolean) => void;
  readonly runStarted: (task: string) => void;
  readonly runEnded: (task: string, reason: string) => void;
  readonly revocationReceived: () => void;
  readonly endReported: (outcome: string) => void;
  readonly callEnded: (outcome: EndedCall) => void;
  /** What Prometheus scrapes; text by default. */
  readonly render: (format?: MetricsFormat) => Promise<string>;
};

/**
 * Creates the sidecar's metrics in their own registry, without prom-client's default process
 * metrics: those would cost more than all of the others.
 */
export const createSidecarMetrics = (deps: SidecarMetricsDeps): SidecarMetrics => {
  const registry = createRegistry();
  const exchanges = createCounter(SPECS.exchanges, registry);
  const observeExchange = createExemplarHistogram(SPECS.exchangeSeconds, registry);
  const started = createCounter(SPECS.runsStarted, registry);
  const ended = createCounter(SPECS.runsEnded, registry);
  const skew = createGauge(SPECS.clockSkew, registry);
  const packedPolicy = createGauge(SPECS.packedPolicy, registry);
  const revocations = createCounter(SPECS.revocations, registry);
  const endReports = createCounter(SPECS.endReports, registry);
  for (const task of deps.tasks) {
    for (const outcome of ['issued', 'refused', 'unavailable']) exchanges.inc({ task, outcome }, 0);
  }
  registerBuildInfo(registry);
  registerReadings(registry, deps);
  let peerCheck: boolean | undefined;
  registerCollectedGauge(SPECS.peerCheck, registry, () =>
    peerCheck === undefined ? [] : [{ value: Number(peerCheck) }],
  );
  return {
    countRequest: createRequestCounter(registry),
    exchangeEnded: ({ task, outcome, seconds, ids }) => {
      exchanges.inc({ task, outcome });
      observeExchange({ outcome }, seconds, ids);
    },
    packedPolicy: (task, percent) => packedPolicy.set({ task }, percent / 100),
    clockSkew: (seconds) => skew.set(seconds),
    peerChecked: (works) => (peerCheck = works),
    runStarted: (task) => started.inc({ task }),
    runEnded: (task, reason) => ended.inc({ task, reason }),
    revocationReceived: () => revocations.inc(),
    endReported: (outcome) => endReports.inc({ outcome }),
    callEnded: createCallObserver(registry, deps.tasks),
    render: (format = 'text') => renderMetrics(registry, format),
  };
};

/** Every container of the pod can read these metrics, and must not learn of canaries. */
const SHOWN_GATES = GATES.filter((gate) => gate !== 'canary');

const registerReadings = (
  registry: MetricRegistry,
  { readExpirations, readBudgetShares, readGates, authority, gateway }: SidecarMetricsDeps,
): void => {
  registerCollectedGauge(SPECS.credentialsExpiration, registry, () =>
    [...readExpirations()].map(([task, at]) => ({ labels: { task }, value: at / 1000 })),
  );
  registerCollectedGauge(SPECS.budgetUsed, registry, () =>
    readBudgetShares().map(({ task, kind, ratio }) => ({ labels: { task, kind }, value: ratio })),
  );
  registerCollectedGauge(SPECS.gates, registry, () => {
    const all = readGates();
    if (all === undefined) return [];
    return SHOWN_GATES.map((gate) => ({
      labels: { gate },
      value: all.filter((each) => each.gate === gate).length,
    }));
  });
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

const createCallObserver = (
  registry: MetricRegistry,
  tasks: readonly string[],
): SidecarMetrics['callEnded'] => {
  const countCall = createCallCounter(registry, tasks);
  const observeCall = createExemplarHistogram(SPECS.callSeconds, registry);
  const observeOverhead = createExemplarHistogram(SPECS.callOverheadSeconds, registry);
  const countBytes = createByteCounter(registry);
  const countUnresolved = createServiceCounter(registry);
  return (call) => {
    const { outcome, isResolved, service = 'none' } = call;
    countCall(call);
    observeCall({ outcome }, call.ms / 1000, call);
    observeOverhead({}, call.overheadMs / 1000, call);
    countBytes(call);
    if (outcome !== 'refused' && isResolved === false) countUnresolved(service);
  };
};

const createServiceCounter = (registry: MetricRegistry) => {
  const counter = createCounter(SPECS.unresolved, registry);
  const services = new Set<string>();
  return (service: string): void => {
    if (services.size < MAX_SERVICES) services.add(service);
    counter.inc({ service: services.has(service) ? service : OTHER });
  };
};

type CallLabels = { task: string; outcome: string; code: string };

/**
 * Pairs of outcome and code that are counted for one task, and signing names of one sidecar. An agent chooses
 * which of some fifty codes and four hundred names it meets; what is over the limit is counted as "other".
 */
export const MAX_CALL_CODES = 24;
export const MAX_SERVICES = 16;
const OTHER = 'other';

/** As {@link createRequestCounter}: in plain numbers. */
const createCallCounter = (registry: MetricRegistry, tasks: readonly string[]) => {
  const counts = new Map<string, { readonly labels: CallLabels; count: number }>();
  const codes = new Map<string, number>();
  const add = ({ task, outcome, code }: CallLabels, count: number): void => {
    const key = `${task} ${outcome} ${code}`;
    const counted = counts.get(key);
    if (counted !== undefined) {
      counted.count += count;
      return;
    }
    const known = codes.get(task) ?? 0;
    if (known >= MAX_CALL_CODES && code !== OTHER) {
      add({ task, outcome, code: OTHER }, count);
      return;
    }
    codes.set(task, known + 1);
    counts.set(key, { labels: { task, outcome, code }, count });
  };
  // An alert counts these, so that `increase()` has to see the first one.
  for (const task of tasks) {
    for (const outcome of ['cut', 'failed']) add({ task, outcome, code: 'secret_echoed' }, 0);
  }
  new Counter({
    ...toMetricConfig(SPECS.calls, registry),
    collect() {
      this.reset();
      for (const { labels, count } of counts.values()) this.inc(labels, count);
    },
  });
  return ({ task = 'none', outcome, code = 'none' }: EndedCall): void =>
    add({ task, outcome, code }, 1);
};

const createByteCounter = (registry: MetricRegistry) => {
  const bytes = { in: 0, out: 0, hasCalls: false };
  new Counter({
    ...toMetricConfig(SPECS.callBytes, registry),
    collect() {
      this.reset();
      if (!bytes.hasCalls) return;
      this.inc({ direction: 'in' }, bytes.in);
      this.inc({ direction: 'out' }, bytes.out);
    },
  });
  return ({ bytesIn, bytesOut }: EndedCall): void => {
    bytes.in += bytesIn;
    bytes.out += bytesOut;
    bytes.hasCalls = true;
  };
};

/** Counts in plain numbers and hands them to prom-client at a scrape, because it hashes labels at each call. */
const createRequestCounter = (registry: MetricRegistry): SidecarMetrics['countRequest'] => {
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
