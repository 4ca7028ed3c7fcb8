import { toMapping } from '../schema/mapping.ts';
import { createFindings, formatForeignText, type Findings, type Place } from './audit-findings.ts';
import type { AuditFault, AuditNote, AuditUnverified } from './audit-findings.ts';
import { readCallLine } from './call-line.ts';
import {
  addCallLine,
  checkCallContinuity,
  formatRun,
  joinCallSegments,
  type CallCheckDeps,
  type CallLocation,
  type CallSegment,
} from './call-segments.ts';
import { NOTHING_BEFORE } from './chain.ts';
import type { AuditFile } from './file-verification.ts';
import { splitLines } from './line-splitter.ts';
import type { ReadRecord } from './record-reader.ts';

/** The last line of a journal that an audit record states. Its place is that record. */
export type RecordedHead = Place & {
  readonly run: string;
  readonly to: number;
  readonly hash: string;
};

export type CallVerificationSettings = {
  readonly heads: readonly RecordedHead[];
  /** Whether first lines of a run, or all of them, may be absent. */
  readonly isMissingStartAllowed?: boolean;
};

export type CallVerification = {
  readonly faultCount: number;
  readonly faults: readonly AuditFault[];
  readonly notes: readonly AuditNote[];
  readonly unverified: readonly AuditUnverified[];
  readonly runs: readonly RunReport[];
};

/** What the logs have of one run. */
export type RunReport = {
  readonly run: string;
  readonly lines: number;
  readonly first: number;
  readonly last: number;
  /** The last line that a record states; absent: none does. */
  readonly recordedThrough?: number;
};

/** Reads the head that a record of calls states; undefined for any other record, and for a run without calls. */
export const readRecordedHead = (
  { kind, body }: ReadRecord,
  place: Place,
): RecordedHead | undefined => {
  const { uid: run } = toMapping(body['session']);
  const { to, hash } = toMapping(toMapping(body['unmapped'])['calls']);
  return kind === 'run.calls' &&
    typeof run === 'string' &&
    typeof to === 'number' &&
    typeof hash === 'string' &&
    hash !== NOTHING_BEFORE
    ? { file: place.file, line: place.line, run, to, hash }
    : undefined;
};

/**
 * Verifies the journals of sidecars, in any number of logs in any order, against the heads that audit
 * records state. Other lines of the logs are ignored. It reads each file once, and holds 32 bytes for each
 * line.
 *
 * It detects changed, removed, moved and added lines up to the last head of each run. Lines after it are
 * chained, but reported as unverified.
 */
export const verifyCalls = async (
  files: Iterable<AuditFile>,
  { heads, isMissingStartAllowed = false }: CallVerificationSettings,
): Promise<CallVerification> => {
  const findings = createFindings();
  const runs = new Map<string, CallSegment[]>();
  for (const file of files) await readFile(file, runs, findings);
  for (const [run, segments] of runs)
    joinCallSegments(run, segments, { findings, isMissingStartAllowed });
  const recorded = checkHeads(heads, runs, { findings, isMissingStartAllowed });
  const reports = Array.from(runs, ([run, segments]) => toRunReport(run, segments, recorded));
  reportBeyond(runs, recorded, findings);
  const { faults, notes, unverified, count } = findings;
  return { faultCount: count(), faults, notes, unverified, runs: reports };
};

const readFile = async (
  { name, chunks }: AuditFile,
  runs: Map<string, CallSegment[]>,
  findings: Findings,
): Promise<void> => {
  const current = new Map<string, CallSegment>();
  let line = 0;
  let runless: { count: number; last: CallLocation | undefined } = { count: 0, last: undefined };
  for await (const { bytes } of splitLines(chunks)) {
    line += 1;
    const place = { file: name, line };
    const reading = readCallLine(bytes.toString('utf8'));
    if (reading.kind === 'foreign') continue;
    const call = reading.kind === 'call' ? reading.line : reading.reason.claims;
    if (reading.kind === 'invalid') {
      const { code, expected, got } = reading.reason;
      findings.fault(place, code, { expected, got: formatForeignText(got) });
    }
    if (call === undefined) continue;
    const { seq, previous, hash, run } = call;
    const location = { ...place, seq, previous, hash };
    if (run === undefined) runless = followRunless(runless, location, findings);
    else
      addCallLine(run, location, {
        current,
        runs,
        findings,
        isInvalid: reading.kind === 'invalid',
      });
  }
  if (runless.count > 0) {
    const text = `${runless.count} lines of refused requests are not covered by records`;
    findings.note({ file: name, line: 0 }, 'call_without_run', text);
  }
};

/** Each process starts a chain of its own for these lines. */
const followRunless = (
  { count, last }: { readonly count: number; readonly last: CallLocation | undefined },
  location: CallLocation,
  findings: Findings,
) => {
  const isStart = location.seq === 0 && location.previous === NOTHING_BEFORE;
  if (last !== undefined && !isStart) checkCallContinuity('', last, location, findings);
  return { count: count + 1, last: location };
};

/** @returns the last line of each run that a record states, if the logs have that line */
const checkHeads = (
  heads: readonly RecordedHead[],
  runs: ReadonlyMap<string, readonly CallSegment[]>,
  deps: CallCheckDeps,
): ReadonlyMap<string, number> => {
  const recorded = new Map<string, number>();
  const missing = new Set<string>();
  for (const head of heads) {
    const segments = runs.get(head.run);
    if (segments === undefined) {
      if (!missing.has(head.run)) reportMissingRun(head, deps);
      missing.add(head.run);
    } else if (matchesHead(head, segments, deps.findings)) {
      recorded.set(head.run, Math.max(head.to, recorded.get(head.run) ?? -1));
    }
  }
  return recorded;
};

const reportMissingRun = (
  head: RecordedHead,
  { findings, isMissingStartAllowed }: CallCheckDeps,
): void => {
  const expected = `lines of ${formatRun(head.run)}`;
  if (isMissingStartAllowed) findings.note(head, 'call_missing_allowed', `no ${expected}`);
  else findings.fault(head, 'call_missing', { expected, got: 'none' });
};

const matchesHead = (
  head: RecordedHead,
  segments: readonly CallSegment[],
  findings: Findings,
): boolean => {
  const { run, to, hash } = head;
  const expected = `line ${to} of ${formatRun(run)} with hash ${formatForeignText(hash)}`;
  const found = segments.flatMap(({ hashes }) => hashes.find(to) ?? []);
  if (found.includes(hash)) return true;
  const last = Math.max(...segments.map((segment) => segment.last.seq));
  if (last < to) {
    findings.fault(head, 'call_truncated', { expected, got: `an end at line ${last}` });
  } else if (found[0] !== undefined) {
    findings.fault(head, 'call_fork', { expected, got: `hash ${found[0]}` });
  }
  return false;
};

const reportBeyond = (
  runs: ReadonlyMap<string, readonly CallSegment[]>,
  recorded: ReadonlyMap<string, number>,
  findings: Findings,
): void => {
  for (const [run, segments] of runs) {
    const last = findLast(segments);
    const sealedThrough = recorded.get(run) ?? -1;
    if (last === undefined || last.seq <= sealedThrough) continue;
    findings.unverified.push({
      file: last.file,
      line: last.line,
      code: 'call_beyond_record',
      chain: run,
      sealedThrough,
      last: last.seq,
    });
  }
};

const findLast = (segments: readonly CallSegment[]): CallLocation | undefined =>
  segments.map(({ last }) => last).toSorted((a, b) => b.seq - a.seq)[0];

const toRunReport = (
  run: string,
  segments: readonly CallSegment[],
  recorded: ReadonlyMap<string, number>,
): RunReport => {
  const through = recorded.get(run);
  return {
    run,
    lines: segments.reduce((sum, { lines }) => sum + lines, 0),
    first: segments[0]?.first.seq ?? 0,
    last: findLast(segments)?.seq ?? 0,
    ...(through !== undefined && { recordedThrough: through }),
  };
};
