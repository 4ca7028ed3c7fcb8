import { InvalidArgumentError, type Command } from 'commander';

import { readLine } from '../../../lib/audit/record-reader.ts';
import { toShownRecord, type ShownRecord } from './shown-records.ts';
import { collectValues } from '../command-line.ts';

/** A record of the authority, its line, and whether it states a refusal or failure. */
export type FoundRecord = {
  readonly shown: ShownRecord;
  readonly line: string;
  readonly isDenied: boolean;
  /** Identifies a record that is read twice. */
  readonly hash: string;
};

/** Reads one line of a log. @returns undefined for other lines */
export const readRecord = (line: string): FoundRecord | undefined => {
  const reading = line.startsWith('{') ? readLine(line) : undefined;
  if (reading?.ok !== true) return undefined;
  const { body, position } = reading.record;
  const isDenied = body['status_id'] === FAILURE;
  return { shown: toShownRecord(body), line, isDenied, hash: position.hash };
};

/** Of OCSF. */
const FAILURE = 2;

/** What a workload's records have in common. Absent: any. */
export type WorkloadFilter = {
  readonly namespace?: string;
  readonly pod?: string;
  readonly task?: string;
};

export type RecordFilter = WorkloadFilter & {
  readonly run?: string;
  /** ID of the request that caused it. */
  readonly request?: string;
  readonly kind?: readonly string[];
  readonly denied?: true;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly until?: number;
};

/** Whether the namespace, the pod and the task are those of the filter. */
export const matchesWorkload = (
  filter: WorkloadFilter,
  shown: Pick<ShownRecord, 'namespace' | 'pod' | 'task'>,
): boolean =>
  (['namespace', 'pod', 'task'] as const).every(
    (name) => filter[name] === undefined || filter[name] === shown[name],
  );

/** Whether a record is one that the filter asks for. */
export const matchesRecord = (filter: RecordFilter, { shown, isDenied }: FoundRecord): boolean =>
  matchesWorkload(filter, shown) &&
  (filter.run === undefined || filter.run === shown.run) &&
  (filter.request === undefined || filter.request === shown.request) &&
  (filter.kind === undefined || filter.kind.some((kind) => isOfKind(shown.kind, kind))) &&
  (filter.denied === undefined || isDenied) &&
  (filter.since === undefined || shown.at >= filter.since) &&
  (filter.until === undefined || shown.at < filter.until);

/** `run` names every kind that starts with `run.`. */
const isOfKind = (kind: string, wanted: string): boolean =>
  kind === wanted || kind.startsWith(`${wanted}.`);

/** Adds the options of a {@link WorkloadFilter}. */
export const withWorkloadFilter = (command: Command): Command =>
  command
    .option('-n, --namespace <namespace>', 'Only of this namespace (default: every one)')
    .option('--pod <name>', 'Only of this pod')
    .option('--task <name>', 'Only of this task');

/** Adds the options of a {@link RecordFilter}, without its times. */
export const withRecordFilter = (command: Command): Command =>
  withWorkloadFilter(command)
    .option('--run <id>', 'Only of this run')
    .option('--request <id>', 'Only of this request, as in logs, Events and x-request-id')
    .option(
      '--kind <kind>',
      'Only of this kind: run.refused, or run for each that starts with it; repeatable',
      collectValues,
    )
    .option('--denied', 'Only refusals and failures');

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * Creates the parser of a time: how long ago (`90s`, `15m`, `2h`, `7d`), or RFC 3339.
 *
 * @returns milliseconds since the epoch
 */
export const createTimeParser =
  ({ now }: { readonly now: () => number }) =>
  (text: string): number => {
    const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
    if (count !== undefined) return now() - Number(count) * UNITS[unit as keyof typeof UNITS];
    const time = /^\d{4}-\d\d-\d\d(T|$)/.test(text) ? Date.parse(text) : NaN;
    if (!Number.isNaN(time)) return time;
    throw new InvalidArgumentError('expected 90s, 15m, 2h, 7d or 2026-01-05T13:30:00Z.');
  };
