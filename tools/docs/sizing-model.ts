import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readFleetResults } from '../../bench/fleet-results.ts';
import { REVIEWS_PER_POD } from '../../bench/pod-restart-results.ts';
import { readResults } from '../../bench/results.ts';
import { AUDIT_VOLUME_SHARE, DEFAULT_LIMITS } from '../../cmd/authority/config.ts';
import { STREAM_SHARE } from '../../cmd/authority/stream-registry.ts';
import { LIST_INTERVAL_MS, MAX_LIST_SHARE } from '../../cmd/authority/trust-bundle-users.ts';
import { quantityBytes } from '../../lib/config/sizes.ts';
import { PAGE_SIZE } from '../../lib/edge/kubernetes/pod-list.ts';
import { TOKEN_SECONDS } from '../../lib/injection/injection-template.ts';
import { computeRenewBeforeMs } from '../../lib/runs/freshness.ts';
import { HEARTBEAT_TIMEOUT_MS } from '../../lib/runs/heartbeat-monitor.ts';
import { measureCallRecords } from './call-record-bytes.ts';

/** What differs between installations. Rates are averages over the busiest hour. */
export type Assumptions = {
  /** Lifetime of a run, seconds. */
  readonly lifetimeSeconds: number;
  /** Tasks of a pod that are in use all the time. */
  readonly tasksPerPod: number;
  /** Pods created in an hour, as a share of the pods that run. */
  readonly createdPerHour: number;
  /** Reviews of the webhook for each created pod: mutation, its repetition, validation, an update. */
  readonly reviewsPerPod: number;
  /** Calls of a pod through the gateway, where its tasks have `delivery: sign`. */
  readonly callsPerMinute: number;
  /** Share of one core that a replica may use on average; a replica uses little more than one. */
  readonly maxUse: number;
  /** Days that audit records stay on the volume. */
  readonly auditDays: number;
  /** Memory limit of an authority replica, bytes. */
  readonly memoryLimit: number;
  /** Seconds of one page of the authority's lists of pods. Not measured. */
  readonly pageSeconds: number;
};

/** What one unit costs. */
export type UnitCosts = {
  readonly runsPerCoreSecond: number;
  readonly reviewsPerCoreSecond: number;
  readonly coreSecondsPerStream: number;
  readonly callsPerStream: number;
  readonly callsPerRun: number;
  readonly auditBytesPerRun: number;
  readonly idleCallsPerSecond: number;
  readonly idleBytes: number;
  readonly bytesPerStream: number;
  readonly sidecarBytes: number;
  readonly webhookBytes: number;
  readonly callLineBytes: number;
  readonly callRecordBytes: number;
};

/** Defaults of the chart. */
export type ChartDefaults = {
  readonly replicas: number;
  readonly webhookReplicas: number;
  readonly memoryLimit: number;
  readonly auditBytes: number;
  readonly sidecar: { readonly memory: number; readonly cores: number };
};

export type Given = { readonly costs: UnitCosts; readonly chart: ChartDefaults };

export type Sizing = {
  readonly pods: number;
  readonly authority: {
    readonly replicas: number;
    /** What decides about the number of replicas. */
    readonly limitedBy: 'availability' | 'CPU' | 'memory' | 'connections' | 'restart';
    /** Of all replicas, on average. */
    readonly cores: number;
    /** Of one replica while another is missing. */
    readonly streams: number;
    readonly bytes: number;
    /** Bytes of the volume of each replica. */
    readonly volumeBytes: number;
    /** Hours until the volume of the chart's default size removes its oldest file. */
    readonly defaultVolumeHours: number;
    /** Seconds of CPU until the other replicas have opened the streams of a lost one. */
    readonly reopenSeconds: number;
  };
  readonly webhook: {
    readonly replicas: number;
    readonly cores: number;
    /** Of one replica; its caches have bounds, whatever the number of pods. */
    readonly bytes: number;
  };
  /** What tasks with `delivery: sign` add, in bytes. */
  readonly calls: {
    /** A day of one pod: lines on its standard output, and records of its runs at the authority. */
    readonly podLines: number;
    readonly podRecords: number;
    /** A day of all pods. */
    readonly lines: number;
    /** Of the volume of each authority replica, for as many days as audit records stay. */
    readonly volume: number;
  };
  readonly sidecars: {
    readonly requestBytes: number;
    readonly bytes: number;
    readonly cores: number;
  };
  /** Per second. */
  readonly rates: {
    readonly runs: number;
    readonly streams: number;
    readonly reviews: number;
    readonly authorityCalls: number;
    readonly kubeletCalls: number;
    readonly sts: number;
    readonly maxSts: number;
  };
};

export const SIZES = [100, 1_000, 5_000, 50_000] as const;

/** Memory that is left free: the heap of V8 grows between its collections. */
const MEMORY_SHARE = 2 / 3;
/** The kubelet replaces a token at this share of its lifetime, and the stream follows. */
const TOKEN_RENEWAL = 0.8;

/** @throws Error if no number of replicas suffices */
export const computeSizing = (
  pods: number,
  assumptions: Assumptions,
  { costs, chart }: Given,
): Sizing => {
  const { lifetimeSeconds, tasksPerPod, createdPerHour, reviewsPerPod, maxUse } = assumptions;
  const created = (pods * createdPerHour) / 3600;
  const renewalSeconds = lifetimeSeconds - computeRenewBeforeMs(lifetimeSeconds * 1000) / 1000;
  const runs = (pods * tasksPerPod) / renewalSeconds;
  const tokens = pods / (TOKEN_RENEWAL * TOKEN_SECONDS);
  // The end of a pod is one more request, which costs about as much as a stream.
  const streams = tokens + 2 * created;
  const cores = runs / costs.runsPerCoreSecond + streams * costs.coreSecondsPerStream;
  const byMemory =
    (assumptions.memoryLimit * MEMORY_SHARE - costs.idleBytes) / costs.bytesPerStream;
  if (byMemory < 1) throw new Error('memory limit: expected more than an idle replica needs');
  const reopen = pods * costs.coreSecondsPerStream * (1000 / HEARTBEAT_TIMEOUT_MS);
  const needs = {
    CPU: cores / maxUse + 1,
    memory: pods / byMemory + 1,
    connections: pods / (DEFAULT_LIMITS.connections * STREAM_SHARE) + 1,
    // n (n − 1) replicas' seconds: the streams of one in n are opened again by the others.
    restart: (1 + Math.sqrt(1 + 4 * reopen)) / 2,
    availability: chart.replicas,
  };
  const [limitedBy, need] = Object.entries(needs).reduce(
    (most, next) => (Math.ceil(next[1]) > Math.ceil(most[1]) ? next : most),
    ['availability', needs.availability],
  ) as [Sizing['authority']['limitedBy'], number];
  const replicas = Math.ceil(need);
  const perReplica = pods / (replicas - 1);
  const auditBytesPerSecond = (runs * costs.auditBytesPerRun) / replicas;
  const lists = Math.min(
    Math.ceil(pods / PAGE_SIZE) / (LIST_INTERVAL_MS / 1000),
    MAX_LIST_SHARE / assumptions.pageSeconds,
  );
  const reviews = created * reviewsPerPod;
  const webhookCores = reviews / costs.reviewsPerCoreSecond;
  const podLines = assumptions.callsPerMinute * DAY_MINUTES * costs.callLineBytes;
  const podRecords = (runs / pods) * DAY_SECONDS * costs.callRecordBytes;
  return {
    pods,
    authority: {
      replicas,
      limitedBy,
      cores: cores + replicas * lists * assumptions.pageSeconds,
      streams: Math.ceil(perReplica),
      bytes: (costs.idleBytes + perReplica * costs.bytesPerStream) / MEMORY_SHARE,
      volumeBytes: (auditBytesPerSecond * assumptions.auditDays * DAY_SECONDS) / AUDIT_VOLUME_SHARE,
      defaultVolumeHours: (chart.auditBytes * AUDIT_VOLUME_SHARE) / auditBytesPerSecond / 3600,
      reopenSeconds: ((pods / replicas) * costs.coreSecondsPerStream) / (replicas - 1),
    },
    webhook: {
      replicas: Math.max(chart.webhookReplicas, Math.ceil(webhookCores / maxUse) + 1),
      cores: webhookCores,
      bytes: costs.webhookBytes / MEMORY_SHARE,
    },
    calls: {
      podLines,
      podRecords,
      lines: pods * podLines,
      volume: (pods * podRecords * assumptions.auditDays) / replicas / AUDIT_VOLUME_SHARE,
    },
    sidecars: {
      requestBytes: pods * chart.sidecar.memory,
      bytes: pods * costs.sidecarBytes,
      cores: pods * chart.sidecar.cores,
    },
    rates: {
      runs,
      streams,
      reviews,
      authorityCalls:
        runs * costs.callsPerRun +
        streams * costs.callsPerStream +
        replicas * (costs.idleCallsPerSecond + lists),
      kubeletCalls: tokens + created,
      sts: runs,
      maxSts: replicas * costs.runsPerCoreSecond,
    },
  };
};

const DAY_SECONDS = 86_400;
const DAY_MINUTES = 1_440;

/** What docs/sizing.md assumes. */
export const buildAssumptions = ({ memoryLimit }: ChartDefaults): Assumptions => ({
  lifetimeSeconds: 600,
  tasksPerPod: 1,
  createdPerHour: 1,
  reviewsPerPod: REVIEWS_PER_POD,
  callsPerMinute: 6,
  maxUse: 0.5,
  auditDays: 7,
  memoryLimit,
  pageSeconds: 0.05,
});

/** Reads the costs from what `bench` published. @throws Error if a figure is missing there */
export const readUnitCosts = (): UnitCosts => {
  const { rows } = readResults();
  const { line, record } = measureCallRecords();
  const { costs } = readFleetResults();
  const readRow = (name: string): number => {
    const row = rows.find((each) => each.name === name);
    if (row === undefined) throw new Error(`bench/results.json: expected a row ${name}`);
    return row.value;
  };
  return {
    runsPerCoreSecond: readRow('runs issued'),
    reviewsPerCoreSecond: readRow('the same, its declaration new each time'),
    coreSecondsPerStream: costs.cpuMillisecondsPerStream / 1000,
    callsPerStream: costs.callsPerStream,
    callsPerRun: costs.callsPerRun,
    auditBytesPerRun: costs.auditBytesPerRun,
    idleCallsPerSecond: costs.idleCallsPerSecond,
    idleBytes: costs.idleMegabytes * 1e6,
    bytesPerStream: costs.kilobytesPerStream * 1e3,
    sidecarBytes: readRow('private memory of a further sidecar, trust: authority') * 1e6,
    webhookBytes: readRow('private memory after a minute of load, webhook') * 1e6,
    callLineBytes: line,
    callRecordBytes: record,
  };
};

type ChartValues = {
  readonly authority: {
    readonly replicas: number;
    readonly resources: { readonly limits: { readonly memory: string } };
    readonly audit: { readonly file: { readonly size: string } };
  };
  readonly webhook: { readonly replicas: number };
  readonly sidecar: { readonly resources: { readonly memory: string; readonly cpu: string } };
};

/** Reads the defaults of charts/valetkey. */
export const readChartDefaults = (): ChartDefaults => {
  const file = join(import.meta.dirname, '../../charts/valetkey/values.yaml');
  const { authority, webhook, sidecar } = parse(readFileSync(file, 'utf8')) as ChartValues;
  return {
    replicas: authority.replicas,
    webhookReplicas: webhook.replicas,
    memoryLimit: toBytes(authority.resources.limits.memory),
    auditBytes: toBytes(authority.audit.file.size),
    sidecar: {
      memory: toBytes(sidecar.resources.memory),
      cores: Number.parseInt(sidecar.resources.cpu) / 1000,
    },
  };
};

const readQuantity = quantityBytes({ min: 1 });

/** @throws Error for a text that is no quantity of bytes */
export const toBytes = (quantity: string): number => {
  const bytes = readQuantity(quantity, 'quantity', []);
  if (typeof bytes === 'symbol') throw new Error(`expected a quantity of bytes, found ${quantity}`);
  return bytes;
};
