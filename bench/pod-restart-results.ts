import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { computeMedian, computePercentile, round } from '../test/kit/statistics.ts';
import type { StsCall } from './fake-sts.ts';
import { countPeak } from './fleet-herd.ts';
import type { LoadReport } from './load.ts';
import type { MachineDescription } from './results.ts';

/** Reviews of the webhook for each created pod: mutation, its repetition, validation, an update. */
export const REVIEWS_PER_POD = 4;
/** An agent without credentials asks its sidecar again at a random time of this after Retry-After. */
export const AGENT_JITTER_MS = 1_000;

/** What one simulated sidecar did. Times in milliseconds since the epoch. */
export type PodStart = {
  readonly startedAt: number;
  /** Absent: it has no credentials yet. */
  readonly credentialsAt?: number;
  /** Exchanges that the sidecar repeated, and requests that its agent repeated. */
  readonly retries: number;
};

export type PodClientsReport = {
  readonly pods: readonly PodStart[];
  /** Why they repeated, by the code of the refusal. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of the process that simulates them. */
  readonly cpuSeconds: number;
};

/** The start of all pods of a fleet at one STS. Times in seconds. */
export type PodRestartFigures = {
  /** Calls per second that STS answers before it throttles. */
  readonly stsLimit: number;
  /** Pods without credentials when the simulation ended. */
  readonly waiting: number;
  /** From the start of the first pod until half of the pods, and the last of them, had credentials. */
  readonly halfSeconds: number;
  readonly allSeconds: number;
  /** What the last takes if nothing fails: the rate of the pods, or the limit of STS. */
  readonly leastSeconds: number;
  /** From the start of a pod until it had credentials. */
  readonly medianWaitSeconds: number;
  readonly p99WaitSeconds: number;
  readonly maxWaitSeconds: number;
  readonly retries: number;
  /** Of one pod. */
  readonly maxRetries: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly stsCalls: number;
  readonly stsThrottled: number;
  /** Most calls in any tenth of a second, and in any second, throttled ones included. */
  readonly stsPeakInTenth: number;
  readonly stsPeakInSecond: number;
  readonly reviews: number;
  readonly reviewsPerSecond: number;
  readonly reviewP99Ms: number;
  readonly cpuSeconds: PodRestartCpu;
};

/** CPU seconds of the programs, and of what simulates the rest of a cluster. */
export type PodRestartCpu = {
  readonly authority: number;
  readonly webhook: number;
  readonly pods: number;
  /** The API server and STS. */
  readonly cluster: number;
};

/** In virtual time, without a machine: all pods start in one moment. */
export type VirtualPodRestart = Pick<
  PodRestartFigures,
  | 'stsLimit'
  | 'waiting'
  | 'halfSeconds'
  | 'allSeconds'
  | 'maxRetries'
  | 'stsCalls'
  | 'stsThrottled'
  | 'stsPeakInTenth'
> & {
  /** Most calls in any tenth of a second after the first second, in which all of them come. */
  readonly laterPeakInTenth: number;
};

export type PodRestartResults = MachineDescription & {
  readonly pods: number;
  readonly namespaces: number;
  readonly podsPerSecond: number;
  /** The first is the quota that AWS documents. */
  readonly restarts: readonly PodRestartFigures[];
  readonly virtual: VirtualPodRestart;
};

/** @throws Error if no pod has credentials */
export const computePodRestart = ({
  podsPerSecond,
  stsLimit,
  clients: { pods, failures, cpuSeconds: podSeconds },
  calls,
  load,
  cpuSeconds,
}: {
  readonly podsPerSecond: number;
  readonly stsLimit: number;
  readonly clients: PodClientsReport;
  readonly calls: readonly StsCall[];
  readonly load: Pick<LoadReport, 'requests' | 'seconds' | 'p99Ms'>;
  readonly cpuSeconds: Omit<PodRestartCpu, 'pods'>;
}): PodRestartFigures => {
  const startedAt = Math.min(...pods.map((pod) => pod.startedAt));
  const served = pods.flatMap(({ startedAt: from, credentialsAt: to }) =>
    to === undefined ? [] : [{ to, wait: to - from }],
  );
  const waits = served.map(({ wait }) => wait);
  const ends = served.map(({ to }) => to - startedAt);
  const times = calls.map(({ at }) => at);
  const toSeconds = (ms: number): number => round(ms / 1000);
  return {
    stsLimit,
    waiting: pods.length - served.length,
    halfSeconds: toSeconds(computeMedian(ends)),
    allSeconds: toSeconds(Math.max(...ends)),
    // STS answers the calls of one second at once.
    leastSeconds: round(
      Math.max((pods.length - 1) / podsPerSecond, (pods.length - stsLimit) / stsLimit),
    ),
    medianWaitSeconds: toSeconds(computeMedian(waits)),
    p99WaitSeconds: toSeconds(computePercentile(waits, 0.99)),
    maxWaitSeconds: toSeconds(Math.max(...waits)),
    retries: pods.reduce((sum, { retries }) => sum + retries, 0),
    maxRetries: Math.max(...pods.map(({ retries }) => retries)),
    failures,
    stsCalls: calls.length,
    stsThrottled: calls.filter(({ isThrottled }) => isThrottled).length,
    stsPeakInTenth: countPeak(times, 100),
    stsPeakInSecond: countPeak(times, 1_000),
    reviews: load.requests,
    reviewsPerSecond: round(load.requests / load.seconds),
    reviewP99Ms: round(load.p99Ms),
    cpuSeconds: {
      authority: round(cpuSeconds.authority),
      webhook: round(cpuSeconds.webhook),
      pods: round(podSeconds),
      cluster: round(cpuSeconds.cluster),
    },
  };
};

/** Committed, unlike bench/out. */
const RESULTS_FILE = join(import.meta.dirname, 'pod-restart.json');

export const publishPodRestart = (results: PodRestartResults): void =>
  writeFileSync(RESULTS_FILE, `${JSON.stringify(results, undefined, 2)}\n`);

export const readPodRestart = (): PodRestartResults =>
  JSON.parse(readFileSync(RESULTS_FILE, 'utf8')) as PodRestartResults;

/** A name, what it means, and how each simulation's value is shown. */
type PodRestartLine = {
  readonly name: string;
  readonly meaning: string;
  readonly unit: string;
  readonly read: (figures: PodRestartFigures) => number;
};

const LINES: readonly PodRestartLine[] = [
  {
    name: 'until half of the pods have credentials',
    meaning: 'From the start of the first pod. Pods start at the assumed rate all the time.',
    unit: 's',
    read: ({ halfSeconds }) => halfSeconds,
  },
  {
    name: 'until the last pod has credentials',
    meaning: 'How long the restart of the fleet lasts.',
    unit: 's',
    read: ({ allSeconds }) => allSeconds,
  },
  {
    name: '… at least, if nothing fails',
    meaning: 'Computed from the rate of the pods, or from the limit of STS if it is lower.',
    unit: 's',
    read: ({ leastSeconds }) => leastSeconds,
  },
  {
    name: 'pods without credentials in the end',
    meaning: 'What four minutes after the last start did not suffice for.',
    unit: 'pods',
    read: ({ waiting }) => waiting,
  },
  {
    name: 'wait of a pod, median',
    meaning: "From the sidecar's start until its agent has credentials.",
    unit: 's',
    read: ({ medianWaitSeconds }) => medianWaitSeconds,
  },
  {
    name: 'wait of a pod, 99th percentile',
    meaning: 'The same, for all but one pod of a hundred.',
    unit: 's',
    read: ({ p99WaitSeconds }) => p99WaitSeconds,
  },
  {
    name: 'wait of a pod, longest',
    meaning: 'The same, for the pod that waited longest.',
    unit: 's',
    read: ({ maxWaitSeconds }) => maxWaitSeconds,
  },
  {
    name: 'retries of all sidecars',
    meaning: 'Exchanges that sidecars repeated with backoff, and requests that agents repeated.',
    unit: 'retries',
    read: ({ retries }) => retries,
  },
  {
    name: 'retries of one pod, at most',
    meaning: 'The same, for the pod with the most.',
    unit: 'retries',
    read: ({ maxRetries }) => maxRetries,
  },
  {
    name: 'STS calls',
    meaning: 'One for each pod, and those that the authority repeated.',
    unit: 'calls',
    read: ({ stsCalls }) => stsCalls,
  },
  {
    name: 'STS calls that were throttled',
    meaning: 'Those above the limit; the authority repeats them with backoff and jitter.',
    unit: 'calls',
    read: ({ stsThrottled }) => stsThrottled,
  },
  {
    name: 'STS calls, most in a second',
    meaning: 'What STS has to answer, throttled calls included.',
    unit: 'calls',
    read: ({ stsPeakInSecond }) => stsPeakInSecond,
  },
  {
    name: 'STS calls, most in a tenth of a second',
    meaning: 'A tenth of the row above if calls are spread evenly.',
    unit: 'calls',
    read: ({ stsPeakInTenth }) => stsPeakInTenth,
  },
  {
    name: 'reviews of the webhook',
    meaning: 'All of them mutations with a new declaration, the most expensive ones.',
    unit: 'reviews',
    read: ({ reviews }) => reviews,
  },
  {
    name: 'reviews per second',
    meaning: 'Sent at the rate of the pods, whether or not the webhook is fast enough.',
    unit: 'per second',
    read: ({ reviewsPerSecond }) => reviewsPerSecond,
  },
  {
    name: 'review, 99th percentile',
    meaning: 'From the time at which it was due. API servers wait 10 s by default.',
    unit: 'ms',
    read: ({ reviewP99Ms }) => reviewP99Ms,
  },
  {
    name: 'CPU of the authority',
    meaning: 'For all runs, event streams and repeated calls of STS.',
    unit: 's of a core',
    read: ({ cpuSeconds }) => cpuSeconds.authority,
  },
  {
    name: 'CPU of the webhook',
    meaning: 'For all reviews.',
    unit: 's of a core',
    read: ({ cpuSeconds }) => cpuSeconds.webhook,
  },
  {
    name: 'CPU of the simulation',
    meaning: 'For the pods, the API server and STS, on the same two cores.',
    unit: 's of a core',
    read: ({ cpuSeconds }) => cpuSeconds.pods + cpuSeconds.cluster,
  },
];

export type PodRestartFigure = Omit<PodRestartLine, 'read'> & {
  /** One for each simulation. */
  readonly values: readonly number[];
};

/** The figures of all simulations, for people. */
export const listPodRestartFigures = ({
  restarts,
}: Pick<PodRestartResults, 'restarts'>): readonly PodRestartFigure[] => [
  ...LINES.map(({ read, ...line }) => ({ ...line, values: restarts.map(read) })),
  ...listCodes(restarts).map((code) => ({
    name: `retries after \`${code}\``,
    meaning: 'Why they were repeated: [refusals.md](refusals.md) explains the codes.',
    unit: 'retries',
    values: restarts.map(({ failures }) => failures[code] ?? 0),
  })),
];

const listCodes = (restarts: readonly PodRestartFigures[]): readonly string[] =>
  [...new Set(restarts.flatMap(({ failures }) => Object.keys(failures)))].sort();

type VirtualFigure = readonly [name: string, value: number, unit: string, meaning: string];

/** The figures of the simulation in virtual time, for people. */
export const listVirtualFigures = (virtual: VirtualPodRestart): readonly VirtualFigure[] => [
  [
    'until half of the pods have credentials',
    virtual.halfSeconds,
    's',
    'All pods start in one moment, at an authority that is never busy.',
  ],
  [
    'until the last pod has credentials',
    virtual.allSeconds,
    's',
    'STS alone needs at least the number of pods, less one second of its limit, divided by its limit.',
  ],
  [
    'pods without credentials in the end',
    virtual.waiting,
    'pods',
    'What ten minutes did not suffice for.',
  ],
  ['retries of one pod, at most', virtual.maxRetries, 'retries', 'Of its sidecar and its agent.'],
  ['STS calls', virtual.stsCalls, 'calls', 'One for each pod, and those that were repeated.'],
  [
    'STS calls that were throttled',
    virtual.stsThrottled,
    'calls',
    'Those above the limit; each is repeated after backoff.',
  ],
  [
    'STS calls, most in a tenth of a second',
    virtual.stsPeakInTenth,
    'calls',
    'The moment in which the pods start: the first calls have no jitter.',
  ],
  [
    '… after the first second',
    virtual.laterPeakInTenth,
    'calls',
    'Repeated calls, which the jitter spreads.',
  ],
];
