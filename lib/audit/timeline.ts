import { escapeInvisible } from '../schema/field-error.ts';
import { readCallLine, type CallLine } from './call-line.ts';
import { buildCallSteps, type StepGroup } from './call-steps.ts';
import { readCloudCalls, type CloudCall } from './cloud-log.ts';
import type { AuditFile } from './file-verification.ts';
import { isForeign, readLine } from './record-reader.ts';
import { splitLines } from './line-splitter.ts';
import { buildRecordSteps, type TimelineStep } from './timeline-steps.ts';

/** A CloudTrail file is one line. */
const MAX_LOG_LINE_BYTES = 256 * 1024 * 1024;

/** The steps of one run, from its intent to its end. */
export type Timeline = {
  readonly run: string;
  /** Names of its cloud sessions. */
  readonly sessions: readonly string[];
  /** Sorted by time. A cloud call has the time of the cloud's clock, but follows the call that caused it. */
  readonly steps: readonly TimelineStep[];
  /** Lines that mention the run but are not valid records; `audit verify` reports why. */
  readonly unreadable: number;
};

/**
 * Builds the timeline of one run: the request, the policy decision, the issued credentials, each call with
 * the gateway's decision and the cloud's own log line, and the end. It does not verify the files.
 *
 * @param given.records audit files of every replica
 * @param given.cloudLogs Ceph RGW's ops log or AWS CloudTrail, see {@link readCloudCalls}
 * @param given.calls logs of the run's sidecar, with its journal
 * @param given.ignoresForeignLines whether to ignore non-record lines: the input is logs, not audit files
 */
export const buildTimeline = async (given: {
  readonly run: string;
  readonly records: Iterable<AuditFile>;
  readonly cloudLogs: Iterable<AuditFile>;
  readonly calls?: Iterable<AuditFile>;
  readonly ignoresForeignLines?: boolean;
}): Promise<Timeline> => {
  const { run, ignoresForeignLines = false } = given;
  const sessions = new Set<string>();
  const steps: TimelineStep[] = [];
  let unreadable = 0;
  for await (const line of findLinesNaming(given.records, run)) {
    const reading = readLine(line);
    if (!reading.ok) unreadable += ignoresForeignLines && isForeign(reading.reason) ? 0 : 1;
    else {
      const recordSteps = buildRecordSteps(reading.record.body, run);
      steps.push(...recordSteps.steps.filter((step) => !isRepeated(step, steps)));
      if (recordSteps.session !== undefined) sessions.add(recordSteps.session);
    }
  }
  const isOfRun = ({ session }: CloudCall): boolean =>
    sessions.size === 0 ? session.endsWith(`@${run}`) : sessions.has(session);
  const cloudCalls: CloudCall[] = [];
  for await (const line of findLinesNaming(given.cloudLogs, run)) {
    cloudCalls.push(...readCloudCalls(line).filter(isOfRun));
  }
  const journal = await readJournal(given.calls ?? [], run);
  unreadable += journal.unreadable;
  const groups = [
    ...steps.map((step): StepGroup => [step]),
    ...buildCallSteps(journal.calls, cloudCalls),
  ];
  return { run, sessions: [...sessions], steps: sortGroups(groups).flat(), unreadable };
};

/** Each line of the run's journal once: two logs may have the same lines. */
const readJournal = async (
  files: Iterable<AuditFile>,
  run: string,
): Promise<{ readonly calls: readonly CallLine[]; readonly unreadable: number }> => {
  const calls = new Map<string, CallLine>();
  let unreadable = 0;
  for await (const line of findLinesNaming(files, run)) {
    const reading = readCallLine(line);
    if (reading.kind === 'invalid') unreadable += 1;
    if (reading.kind === 'call' && reading.line.run === run) {
      calls.set(reading.line.hash, reading.line);
    }
  }
  return { calls: [...calls.values()], unreadable };
};

/** Renders a timeline as text lines: time, kind, description. */
export const renderTimeline = ({ run, steps, unreadable }: Timeline): readonly string[] => {
  const head = steps.length === 0 ? [`run ${run}: no records found`] : [`run ${run}`];
  const body = steps.map(({ at, kind, text }) => `${formatTime(at)}  ${kind.padEnd(11)}  ${text}`);
  const rest =
    unreadable === 0 ? [] : [`${unreadable} lines mention the run but are not valid records`];
  return [...head, ...body, ...rest].map(escapeInvisible);
};

/** The records of intent and outcome state the same decision. */
const isRepeated = ({ kind, text }: TimelineStep, steps: readonly TimelineStep[]): boolean =>
  kind === 'policy' && steps.some((step) => step.kind === kind && step.text === text);

/** The sort is stable: a policy decision stays before credentials of the same millisecond. */
const sortGroups = (groups: readonly StepGroup[]): readonly StepGroup[] =>
  groups.toSorted(([a], [b]) => a.at - b.at);

const formatTime = (at: number): string =>
  Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : 'invalid time';

/** Skips lines about other runs without parsing them. */
const findLinesNaming = async function* (
  files: Iterable<AuditFile>,
  run: string,
): AsyncGenerator<string> {
  for (const { chunks } of files) {
    for await (const { bytes } of splitLines(chunks, MAX_LOG_LINE_BYTES)) {
      if (bytes.includes(run)) yield bytes.toString('utf8');
    }
  }
};
