import { formatForeignText, type Findings, type Place } from './audit-findings.ts';
import type { CallLine } from './call-line.ts';
import { NOTHING_BEFORE } from './chain.ts';
import { createHashIndex, type HashIndex } from './hash-index.ts';

export type CallLocation = Place & Pick<CallLine, 'seq' | 'previous' | 'hash'>;

/** Lines of one run in one file, in file order. */
export type CallSegment = {
  readonly first: CallLocation;
  last: CallLocation;
  lines: number;
  readonly hashes: HashIndex;
  hasRepeats: boolean;
};

/** Adds a line to the segment of its file and run, and reports where it does not follow. */
export const addCallLine = (
  run: string,
  location: CallLocation,
  {
    current,
    runs,
    findings,
    isInvalid,
  }: {
    readonly current: Map<string, CallSegment>;
    readonly runs: Map<string, CallSegment[]>;
    readonly findings: Findings;
    readonly isInvalid: boolean;
  },
): void => {
  const segment = current.get(run);
  if (segment === undefined) {
    const started = startSegment(location);
    current.set(run, started);
    runs.set(run, [...(runs.get(run) ?? []), started]);
  } else if (segment.hashes.find(location.seq) === location.hash) {
    if (!segment.hasRepeats) findings.note(location, 'call_repeated', `lines of ${formatRun(run)}`);
    segment.hasRepeats = true;
  } else if (
    isInvalid
      ? location.seq === segment.last.seq + 1
      : checkCallContinuity(run, segment.last, location, findings)
  ) {
    segment.last = location;
    segment.lines += 1;
    segment.hashes.add({ sequence: location.seq, hash: location.hash });
  }
};

const startSegment = (first: CallLocation): CallSegment => {
  const hashes = createHashIndex();
  hashes.add({ sequence: first.seq, hash: first.hash });
  return { first, last: first, lines: 1, hashes, hasRepeats: false };
};

/** Formats a run for a finding. */
export const formatRun = (run: string): string =>
  run === '' ? 'requests without a run' : `run ${formatForeignText(run)}`;

/** Reports when `next` does not follow `last`. Returns whether its number is higher. */
export const checkCallContinuity = (
  run: string,
  last: CallLocation,
  next: CallLocation,
  findings: Findings,
): boolean => {
  const wanted = last.seq + 1;
  const expected = `line ${wanted} of ${formatRun(run)}, after ${last.file}:${last.line}`;
  if (next.seq < wanted) {
    findings.fault(next, 'call_out_of_order', { expected, got: `line ${next.seq}` });
  } else if (next.seq > wanted) {
    findings.fault(next, 'call_gap', { expected, got: `line ${next.seq}` });
  } else if (next.previous !== last.hash) {
    const details = { expected: `previous ${last.hash}`, got: next.previous };
    findings.fault(next, 'call_broken_link', details);
  }
  return next.seq >= wanted;
};

export type CallCheckDeps = {
  readonly findings: Findings;
  readonly isMissingStartAllowed: boolean;
};

/** Sorts the segments of a run, one for each file, and checks where they meet. */
export const joinCallSegments = (
  run: string,
  segments: CallSegment[],
  { findings, isMissingStartAllowed }: CallCheckDeps,
): void => {
  segments.sort((a, b) => a.first.seq - b.first.seq);
  const [start, ...others] = segments;
  if (start === undefined) return;
  checkStart(run, start.first, { findings, isMissingStartAllowed });
  let reached = start;
  for (const segment of others) {
    if (segment.first.seq > reached.last.seq) {
      checkCallContinuity(run, reached.last, segment.first, findings);
    } else compareSegments(run, reached, segment, findings);
    if (segment.last.seq > reached.last.seq) reached = segment;
  }
};

const checkStart = (
  run: string,
  first: CallLocation,
  { findings, isMissingStartAllowed }: CallCheckDeps,
): void => {
  const { seq, previous } = first;
  const details = { expected: `line 0 of ${formatRun(run)}`, got: `line ${seq}` };
  if (seq === 0 && previous === NOTHING_BEFORE) return;
  if (seq === 0 || !isMissingStartAllowed) findings.fault(first, 'call_missing_start', details);
  else findings.note(first, 'call_missing_allowed', `${formatRun(run)} begins at line ${seq}`);
};

/** Two logs may have the same lines. One hash compares all lines before it. */
const compareSegments = (
  run: string,
  before: CallSegment,
  { first, last, hashes }: CallSegment,
  findings: Findings,
): void => {
  const seq = Math.min(before.last.seq, last.seq);
  const known = before.hashes.find(seq);
  if (known === hashes.find(seq)) {
    const text = `lines of ${formatRun(run)} are also after ${before.first.file}:${before.first.line}`;
    findings.note(first, 'call_repeated', text);
    return;
  }
  const expected = `line ${seq} of ${formatRun(run)} as after ${before.first.file}:${before.first.line}`;
  findings.fault(first, 'call_fork', { expected, got: 'another line, or none' });
};
