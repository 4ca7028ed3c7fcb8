import { SEAL_EVERY } from './chain.ts';
import { verifyFile, reportUnsealed, type AuditFile } from './file-verification.ts';
import {
  formatForeignText,
  type AuditFault,
  type AuditNote,
  type AuditUnverified,
  type Place,
} from './audit-findings.ts';
import type { Head } from './heads.ts';
import type { ReadRecord } from './record-reader.ts';
import type { PublicKeys } from './sealing-keys.ts';
import {
  createVerificationState,
  checkClaims,
  findLast,
  isRemoved,
  type ChainState,
  type VerificationState,
} from './verification-state.ts';
import { checkContinuity, type RecordLocation, type Segment } from './segment.ts';

export type VerifySettings = {
  /** Keys that verify seals; a seal by another key is a fault. */
  readonly publicKeys: PublicKeys;
  /** Published heads by replica. Without them truncation is not detected. */
  readonly heads?: Readonly<Record<string, Head>>;
  /** Whether chains may start after their first record, because the oldest files are absent. */
  readonly isMissingStartAllowed?: boolean;
  /** Whether to ignore non-record lines: the input is a log, not an audit file. */
  readonly ignoresForeignLines?: boolean;
  /** Whether to ignore what records state about other files: each file is verified alone. */
  readonly ignoresReferences?: boolean;
  /** Called with each record that is whole; it may be of another chain than it states. */
  readonly onRecord?: (record: ReadRecord, place: Place) => void;
};

export type AuditReport = {
  readonly isWhole: boolean;
  /** Number of all faults; {@link AuditReport.faults} lists the first 1,000. */
  readonly faultCount: number;
  readonly faults: readonly AuditFault[];
  readonly notes: readonly AuditNote[];
  /** What no verification can decide, one for each interruption. */
  readonly unverified: readonly AuditUnverified[];
  readonly chains: readonly ChainReport[];
};

export type ChainReport = {
  readonly chain: string;
  readonly records: number;
  readonly first: number;
  readonly last: number;
  /** SHA-256, hex, of the last record. */
  readonly lastHash: string;
  /** The time that the last record states, in wall-clock milliseconds since the epoch. */
  readonly lastAt: number;
  /** The last record with a valid seal; later records are linked but not signed yet. */
  readonly sealedThrough?: number;
};

/**
 * Verifies chains of records, of any number of replicas, in any number of files in any order. It reads
 * each file once, and holds one line at a time and 32 bytes for each record. Files may repeat the records
 * of others. Where the authority states that it removed the oldest records, the rest is whole.
 *
 * It detects modified, removed, moved, repeated and added lines, invalid signatures, and chains that end
 * before a head that the cluster or a later chain refers to. It does not detect that records after the
 * last known head were removed. Where a restart gave the opportunity, it reports the range as unverified.
 */
export const verifyChain = async (
  files: Iterable<AuditFile>,
  {
    publicKeys,
    heads = {},
    isMissingStartAllowed = false,
    ignoresForeignLines = false,
    ignoresReferences = false,
    onRecord,
  }: VerifySettings,
): Promise<AuditReport> => {
  const state = createVerificationState(publicKeys, heads);
  for (const file of files) await verifyFile(file, state, { ignoresForeignLines, onRecord });
  for (const chain of state.chains.values()) checkSegments(chain, state, isMissingStartAllowed);
  if (!ignoresReferences) checkClaims(state, isMissingStartAllowed);
  const { faults, notes, unverified, count } = state.findings;
  const chains = Array.from(state.chains, ([id, chain]) => toReport(id, chain));
  return { isWhole: count() === 0, faultCount: count(), faults, notes, unverified, chains };
};

/** Sorts the segments of a chain, one for each file, and checks where they meet. */
const checkSegments = (
  { segments }: ChainState,
  state: VerificationState,
  isMissingStartAllowed: boolean,
): void => {
  segments.sort((a, b) => a.first.position.sequence - b.first.position.sequence);
  const [first, ...others] = segments;
  if (first === undefined) return;
  checkFirstSegment(first, state, isMissingStartAllowed);
  let reached = first;
  for (const segment of others) {
    if (segment.first.position.sequence > reached.last.position.sequence)
      checkBoundary(reached, segment, state);
    else checkOverlap(reached, segment, state);
    if (segment.last.position.sequence > reached.last.position.sequence) reached = segment;
  }
};

/** The first records may be absent if the options allow it, or if the authority states their removal. */
const checkFirstSegment = (
  { first }: Segment,
  state: VerificationState,
  isMissingStartAllowed: boolean,
): void => {
  const { findings } = state;
  const { chain, sequence } = first.position;
  if (sequence === 0) return;
  const text = `${formatForeignText(chain)} is verified from record ${sequence}`;
  if (isRemoved(state, { chain, sequence: sequence - 1 })) {
    findings.note(first, 'pruned', text);
    checkRemovedEnd(first, state);
  } else if (isMissingStartAllowed) findings.note(first, 'missing_start_allowed', text);
  else findings.fault(first, 'missing_start', { expected: 'record 0', got: `${sequence}` });
};

/** The first record that is left follows the last one that was removed. */
const checkRemovedEnd = (first: RecordLocation, { findings, pruned }: VerificationState): void => {
  const { chain, sequence } = first.position;
  const removed = pruned.get(chain)?.position;
  if (removed?.sequence !== sequence - 1 || removed.hash === first.previous) return;
  const got = formatForeignText(first.previous);
  findings.fault(first, 'broken_link', { expected: `previous ${removed.hash}`, got });
};

const checkBoundary = (before: Segment, segment: Segment, state: VerificationState): void => {
  checkContinuity(before.last, segment.first, state.findings);
  const unsealed = before.unsealedAfter + segment.unsealedBefore;
  if (unsealed > SEAL_EVERY) reportUnsealed(segment.first, state);
  if (segment.sealedThrough === undefined) segment.unsealedAfter = unsealed;
};

/** Two files may have the same records: a log and a volume. One hash compares all records before it. */
const checkOverlap = (before: Segment, segment: Segment, state: VerificationState): void => {
  const from = segment.first.position.sequence;
  const isLonger = segment.last.position.sequence > before.last.position.sequence;
  const to = (isLonger ? before : segment).last.position.sequence;
  const differs = (sequence: number): boolean =>
    before.hashes.find(sequence) !== segment.hashes.find(sequence);
  const { file, line } = before.first;
  const chain = formatForeignText(segment.first.position.chain);
  if (differs(to)) {
    let sequence = from;
    // Over records, not numbers: a forged record may leave a gap of any size.
    while (!differs(sequence)) {
      sequence = Math.min(...[before, segment].map(({ hashes }) => hashes.findNext(sequence + 1)));
    }
    const expected = `record ${sequence} of ${chain} as after ${file}:${line}`;
    state.findings.fault(segment.first, 'fork', { expected, got: 'another record' });
    return;
  }
  const text = `records ${from} to ${to} of ${chain} are also after ${file}:${line}`;
  state.findings.note(segment.first, 'repeated_records', text);
  if (!isLonger || segment.sealedThrough !== undefined) return;
  segment.unsealedAfter = before.unsealedAfter + segment.last.position.sequence - to;
  if (segment.unsealedAfter > SEAL_EVERY) reportUnsealed(segment.first, state);
};

const toReport = (chain: string, state: ChainState): ChainReport => {
  const { segments } = state;
  const last = findLast(state);
  const sealed = segments.flatMap(({ sealedThrough }) => sealedThrough?.sequence ?? []);
  return {
    chain,
    records: countRecords(segments),
    first: segments[0]?.first.position.sequence ?? 0,
    last: last?.position.sequence ?? 0,
    lastHash: last?.position.hash ?? '',
    lastAt: last?.at ?? 0,
    ...(sealed.length > 0 && { sealedThrough: Math.max(...sealed) }),
  };
};

/** Each record once, also if two files have it. */
const countRecords = (segments: readonly Segment[]): number => {
  let reached = -1;
  let records = 0;
  for (const { first, last, records: count } of segments) {
    const repeated = Math.max(0, reached - first.position.sequence + 1);
    records += Math.max(0, count - repeated);
    reached = Math.max(reached, last.position.sequence);
  }
  return records;
};
