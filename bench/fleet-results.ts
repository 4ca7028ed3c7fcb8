import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineDescription } from './results.ts';

/** What one simulation of a fleet measured. Times in seconds, memory in megabytes (10⁶) unless the name says else. */
export type FleetResults = MachineDescription & {
  readonly streams: number;
  readonly namespaces: number;
  /** Of one authority program. Calls: requests to the API server, watches included. */
  readonly costs: {
    readonly idleMegabytes: number;
    readonly kilobytesPerStream: number;
    readonly cpuMillisecondsPerStream: number;
    readonly callsPerStream: number;
    readonly runs: number;
    readonly cpuMillisecondsPerRun: number;
    readonly callsPerRun: number;
    readonly auditBytesPerRun: number;
    readonly idleCallsPerSecond: number;
  };
  readonly restart: HerdFigures & {
    /** From the end of the process until the next one is ready. */
    readonly readySeconds: number;
    readonly cpuSeconds: number;
    readonly megabytes: number;
    /** Attempts that failed, by the code of the refusal or of the connection's error. */
    readonly failures: Readonly<Record<string, number>>;
  };
  /** The same in virtual time, with a model of the authority. */
  readonly virtual: HerdFigures & { readonly openedPerSecond: number };
};

export type HerdFigures = {
  /** Streams that did not come back. */
  readonly lost: number;
  readonly attempts: number;
  /** Until half of the streams, and all, were open again. */
  readonly halfSeconds: number;
  readonly allSeconds: number;
  /** Most attempts in any tenth of a second, and in any second. */
  readonly peakInTenth: number;
  readonly peakInSecond: number;
};

/** Committed, unlike bench/out. */
const RESULTS_FILE = join(import.meta.dirname, 'fleet.json');

export const publishFleetResults = (results: FleetResults): void =>
  writeFileSync(RESULTS_FILE, `${JSON.stringify(results, undefined, 2)}\n`);

export const readFleetResults = (): FleetResults =>
  JSON.parse(readFileSync(RESULTS_FILE, 'utf8')) as FleetResults;

type Figure = readonly [name: string, value: number, unit: string];

/** The figures of a simulation, for people. */
export const listFleetFigures = ({ costs, restart, virtual }: FleetResults): readonly Figure[] => [
  ['private memory of an authority without streams', costs.idleMegabytes, 'MB'],
  ['memory for each stream', costs.kilobytesPerStream, 'kB'],
  ['CPU to open a stream', costs.cpuMillisecondsPerStream, 'ms of a core'],
  ['API server calls to open a stream', costs.callsPerStream, 'calls'],
  ['CPU of a run', costs.cpuMillisecondsPerRun, 'ms of a core'],
  ['API server calls of a run', costs.callsPerRun, 'calls'],
  ['audit records of a run', costs.auditBytesPerRun, 'bytes'],
  ['API server calls of an idle replica', costs.idleCallsPerSecond, 'per second'],
  ['restart: until the authority is ready', restart.readySeconds, 's'],
  ['restart: until half of the streams are open', restart.halfSeconds, 's'],
  ['restart: until all streams are open', restart.allSeconds, 's'],
  ['restart: streams that did not come back', restart.lost, 'streams'],
  ['restart: attempts to connect', restart.attempts, 'attempts'],
  ['restart: most attempts in a tenth of a second', restart.peakInTenth, 'attempts'],
  ['restart: most attempts in a second', restart.peakInSecond, 'attempts'],
  ...Object.entries(restart.failures).map(([code, count]): Figure => [
    `restart: attempts that failed, ${code}`,
    count,
    'attempts',
  ]),
  ['restart: CPU of the authority', restart.cpuSeconds, 's of a core'],
  ['restart: private memory afterwards', restart.megabytes, 'MB'],
  ['virtual time: until all streams are open', virtual.allSeconds, 's'],
  ['virtual time: attempts to connect', virtual.attempts, 'attempts'],
  ['virtual time: most attempts in a tenth of a second', virtual.peakInTenth, 'attempts'],
  ['virtual time: most attempts in a second', virtual.peakInSecond, 'attempts'],
];
