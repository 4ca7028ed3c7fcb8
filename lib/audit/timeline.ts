import { escapeInvisible } from '../schema/field-error.ts';
import { readCloudCalls, type CloudCall } from './cloud-log.ts';
import type { AuditFile } from './file-verification.ts';
import { isForeign, readLine } from './record-reader.ts';
import { splitLines } from './line-splitter.ts';
import { buildRecordSteps, type TimelineStep } from './timeline-steps.ts';

/** A file of CloudTrail's is one line. */
const MAX_LOG_LINE_BYTES = 256 * 1024 * 1024;

/** One run, from its intent to its end. */
export type Timeline = {
  readonly run: string;
  /** Names of its sessions at the cloud. */
  readonly sessions: readonly string[];
  /** In the order of their times; the cloud's are by its own clock. */
  readonly steps: readonly TimelineStep[];
  /** Lines that name the run and are no whole records: `audit verify` says why. */
  readonly unreadable: number;
};

/**
 * Tells one run: what was asked for, what policy said, what was issued, each call that the cloud
 * logged under the run's session, and how it ended. It believes its files: verify them first.
 *
 * @param given.records files of records, of every replica
 * @param given.cloudLogs Ceph RGW's ops log or AWS CloudTrail, see {@link readCloudCalls}
 * @param given.ignoresForeignLines lines that are no records are passed over: logs, not files of ours
 */
export const buildTimeline = async (given: {
  readonly run: string;
  readonly records: Iterable<AuditFile>;
  readonly cloudLogs: Iterable<AuditFile>;
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
  const isOurs = ({ session }: CloudCall): boolean =>
    sessions.size === 0 ? session.endsWith(`@${run}`) : sessions.has(session);
  for await (const line of findLinesNaming(given.cloudLogs, run)) {
    steps.push(...readCloudCalls(line).filter(isOurs).map(toCallStep));
  }
  return { run, sessions: [...sessions], steps: sortSteps(steps), unreadable };
};

/** A story as lines for people: time, what it is, what happened. */
export const renderTimeline = ({ run, steps, unreadable }: Timeline): readonly string[] => {
  const head = steps.length === 0 ? [`run ${run}: no records found`] : [`run ${run}`];
  const body = steps.map(({ at, kind, text }) => `${formatTime(at)}  ${kind.padEnd(11)}  ${text}`);
  const rest =
    unreadable === 0 ? [] : [`${unreadable} lines mention the run but are not valid records`];
  return [...head, ...body, ...rest].map(escapeInvisible);
};

const toCallStep = ({ at, operation, target, outcome, from }: CloudCall): TimelineStep => ({
  at,
  kind: 'cloud call',
  text: `${operation} ${target}: ${outcome}${from === '' ? '' : `, from ${from}`}`,
});

/** The intent's record and the outcome's state the same decision. */
const isRepeated = ({ kind, text }: TimelineStep, steps: readonly TimelineStep[]): boolean =>
  kind === 'policy' && steps.some((step) => step.kind === kind && step.text === text);

/** A policy decides before credentials of the same millisecond: what was told first stays first. */
const sortSteps = (steps: readonly TimelineStep[]): readonly TimelineStep[] =>
  steps.toSorted((a, b) => a.at - b.at);

const formatTime = (at: number): string =>
  Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : 'at no time';

/** Most lines of big files are about other runs: they are not even parsed. */
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
