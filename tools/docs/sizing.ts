/**
 * Computes what an installation of a size needs from measured costs and stated assumptions. As a program it
 * prints the table of docs/sizing.md for other sizes and assumptions: `--help` prints the options.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { readFleetResults } from '../../bench/fleet-results.ts';
import { readResults } from '../../bench/results.ts';
import { AUDIT_VOLUME_SHARE, DEFAULT_LIMITS } from '../../cmd/authority/config.ts';
import { STREAM_SHARE } from '../../cmd/authority/stream-registry.ts';
import { LIST_INTERVAL_MS, MAX_LIST_SHARE } from '../../cmd/authority/trust-bundle-users.ts';
import { quantityBytes } from '../../lib/config/sizes.ts';
import { PAGE_SIZE } from '../../lib/edge/kubernetes/pod-list.ts';
import { TOKEN_SECONDS } from '../../lib/injection/injection-template.ts';
import { computeRenewBeforeMs } from '../../lib/runs/freshness.ts';
import { HEARTBEAT_TIMEOUT_MS } from '../../lib/runs/heartbeat-monitor.ts';
import { renderMarkdownTable } from './markdown-table.ts';

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
};

/** Defaults of the chart. */
export type ChartDefaults = {
  readonly replicas: number;
  readonly webhookReplicas: number;
  readonly memoryLimit: number;
  readonly auditBytes: number;
  readonly sidecar: { readonly memory: number; readonly cores: number };
};

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
  readonly webhook: { readonly replicas: number; readonly cores: number };
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

/**
 * Requests per second, account and Region that AWS documents for STS requests that are signed with AWS
 * credentials. AssumeRoleWithWebIdentity is not signed: AWS documents no figure for it.
 */
export const STS_QUOTA = {
  perSecond: 600,
  page: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html',
} as const;

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

/** What docs/sizing.md assumes. */
export const buildAssumptions = ({ memoryLimit }: ChartDefaults): Assumptions => ({
  lifetimeSeconds: 600,
  tasksPerPod: 1,
  createdPerHour: 1,
  reviewsPerPod: 4,
  maxUse: 0.5,
  auditDays: 7,
  memoryLimit,
  pageSeconds: 0.05,
});

/** Reads the costs from what `bench` published. @throws Error if a figure is missing there */
export const readUnitCosts = (): UnitCosts => {
  const { rows } = readResults();
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
const toBytes = (quantity: string): number => {
  const bytes = readQuantity(quantity, 'quantity', []);
  if (typeof bytes === 'symbol') throw new Error(`expected a quantity of bytes, found ${quantity}`);
  return bytes;
};

const formatNumber = (value: number): string =>
  value < 0.01 ? '< 0.01' : value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
const formatCount = (value: number): string => value.toLocaleString('en-US');
const GIB = 1024 ** 3;
const formatBytes = (bytes: number): string =>
  bytes < GIB
    ? `${formatCount(Math.ceil(bytes / 1024 ** 2))} MiB`
    : `${formatNumber(bytes / GIB)} GiB`;

type Given = { readonly costs: UnitCosts; readonly chart: ChartDefaults };

/** A column for each size, with all that is computed. */
export const renderSizingTable = (
  sizes: readonly number[],
  assumptions: Assumptions,
  given: Given,
): string =>
  renderColumns(sizes, (pods) => computeSizing(pods, assumptions, given), [
    ...REPLICA_LINES,
    ['… cores, all replicas', ({ authority }) => formatNumber(authority.cores)],
    ['… event streams of one, another missing', ({ authority }) => formatCount(authority.streams)],
    ['… memory limit of one, at least', ({ authority }) => formatBytes(authority.bytes)],
    [
      `… volume of one, ${assumptions.auditDays} days`,
      ({ authority }) => formatBytes(authority.volumeBytes),
    ],
    [
      '… hours that the default volume lasts',
      ({ authority }) => formatNumber(authority.defaultVolumeHours),
    ],
    [
      '… seconds to open the streams of a lost one',
      ({ authority }) => formatNumber(authority.reopenSeconds),
    ],
    ['**webhook**: replicas', ({ webhook }) => formatCount(webhook.replicas)],
    ['… cores, all replicas', ({ webhook }) => formatNumber(webhook.cores)],
    ['… reviews per second', ({ rates }) => formatNumber(rates.reviews)],
    [
      '**sidecars**: memory requested, all pods',
      ({ sidecars }) => formatBytes(sidecars.requestBytes),
    ],
    ['… private memory measured, all pods', ({ sidecars }) => formatBytes(sidecars.bytes)],
    ['… cores requested, all pods', ({ sidecars }) => formatNumber(sidecars.cores)],
    [
      '**API server**: calls of the authority per second',
      ({ rates }) => formatNumber(rates.authorityCalls),
    ],
    ['… tokens for kubelets per second', ({ rates }) => formatNumber(rates.kubeletCalls)],
    ['**STS**: calls per second', ({ rates }) => formatNumber(rates.sts)],
    [
      `… share of ${STS_QUOTA.perSecond} per second`,
      ({ rates }) => `${formatNumber((rates.sts / STS_QUOTA.perSecond) * 100)} %`,
    ],
    ['… calls per second at most, all replicas busy', ({ rates }) => formatNumber(rates.maxSts)],
  ]);

/** A column for each size, with the replicas of the authority alone. */
export const renderReplicasTable = (
  sizes: readonly number[],
  assumptions: Assumptions,
  given: Given,
): string => renderColumns(sizes, (pods) => computeSizing(pods, assumptions, given), REPLICA_LINES);

type Line = readonly [name: string, format: (sizing: Sizing) => string];

const REPLICA_LINES: readonly Line[] = [
  ['**authority**: replicas', ({ authority }) => formatCount(authority.replicas)],
  ['… decided by', ({ authority }) => authority.limitedBy],
];

const renderColumns = (
  sizes: readonly number[],
  compute: (pods: number) => Sizing,
  lines: readonly Line[],
): string => {
  const columns = sizes.map(compute);
  const head = ['', ...columns.map(({ pods }) => `${formatCount(pods)} pods`)];
  return renderMarkdownTable(
    head,
    lines.map(([name, format]) => [name, ...columns.map(format)]),
  );
};

const USAGE = `node tools/docs/sizing.ts [--pods N] [--lifetime SECONDS] [--tasks N] [--created SHARE] [--memory QUANTITY]

Print the table of docs/sizing.md for other assumptions.

  --pods N            pods with a sidecar (default: ${SIZES.join(', ')}); may be repeated
  --lifetime SECONDS  lifetime of a run (600)
  --tasks N           tasks of a pod that are in use all the time (1)
  --created SHARE     pods created in an hour, as a share of the pods that run (1)
  --memory QUANTITY   memory limit of an authority replica (the chart's)`;

const runProgram = (args: readonly string[]): void => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      pods: { type: 'string', multiple: true },
      lifetime: { type: 'string' },
      tasks: { type: 'string' },
      created: { type: 'string' },
      memory: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const chart = readChartDefaults();
  const defaults = buildAssumptions(chart);
  const assumptions: Assumptions = {
    ...defaults,
    lifetimeSeconds: toPositive('--lifetime', values.lifetime, defaults.lifetimeSeconds),
    tasksPerPod: toPositive('--tasks', values.tasks, defaults.tasksPerPod),
    createdPerHour: toPositive('--created', values.created, defaults.createdPerHour),
    memoryLimit: values.memory === undefined ? defaults.memoryLimit : toBytes(values.memory),
  };
  const pods = values.pods?.map((text) => Math.ceil(toPositive('--pods', text, 1)));
  console.log(renderSizingTable(pods ?? SIZES, assumptions, { costs: readUnitCosts(), chart }));
};

/** @throws Error for a text that is no positive number */
const toPositive = (option: string, text: string | undefined, otherwise: number): number => {
  const value = text === undefined ? otherwise : Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`${option}: expected a positive number, found ${JSON.stringify(text)}`);
};

if (import.meta.main) {
  try {
    runProgram(process.argv.slice(2));
  } catch (thrown) {
    console.error(`${(thrown as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
}
