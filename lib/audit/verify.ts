import { SEAL_EVERY, type Position } from './chain.ts';
import { verifyFile, reportUnsealed, type AuditFile } from './file-verification.ts';
import {
  formatForeignText,
  type AuditFault,
  type AuditNote,
  type AuditUnverified,
} from './audit-findings.ts';
import type { Head } from './heads.ts';
import type { PublicKeys } from './sealing-keys.ts';
import {
  createVerificationState,
  checkClaims,
  type ChainState,
  type VerificationState,
} from './verification-state.ts';
import { checkContinuity, type Segment } from './segment.ts';

export type VerifySettings = {
  /** Keys that verify seals; a seal by another key is a fault. */
  readonly publicKeys: PublicKeys;
  /** Published heads by replica. Without them truncation is not detected. */
  readonly heads?: Readonly<Record<string, Head>>;
  /** Whether chains may start after their first record, because the oldest files are absent. */
  readonly isMissingStartAllowed?: boolean;
  /** Whether to ignore non-record lines: the input is a log, not an audit file. */
  readonly ignoresForeignLines?: boolean;
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
  /** The last record with a valid seal; later records are linked but not signed yet. */
  readonly sealedThrough?: number;
};

/**
 * Verifies chains of records, of any number of replicas, in any number of files in any order. It reads
 * each file once and holds one line at a time.
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
  }: VerifySettings,
): Promise<AuditReport> => {
  const state = createVerificationState(publicKeys, heads);
  for (const file of files) await verifyFile(file, state, ignoresForeignLines);
  for (const chain of state.chains.values()) checkSegments(chain, state, isMissingStartAllowed);
  checkClaims(state, isMissingStartAllowed);
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
  segments.forEach((segment, index) => {
    const before = segments[index - 1];
    if (before === undefined) checkFirstSegment(segment, state, isMissingStartAllowed);
    else checkBoundary(before, segment, state);
  });
};

const checkFirstSegment = (
  { first }: Segment,
  { findings }: VerificationState,
  isMissingStartAllowed: boolean,
): void => {
  const { chain, sequence } = first.position;
  if (sequence === 0) return;
  const text = `${formatForeignText(chain)} is verified from record ${sequence}`;
  if (isMissingStartAllowed) findings.note(first, 'missing_start_allowed', text);
  else findings.fault(first, 'missing_start', { expected: 'record 0', got: `${sequence}` });
};

const checkBoundary = (before: Segment, segment: Segment, state: VerificationState): void => {
  checkContinuity(before.last, segment.first, state.findings);
  const unsealed = before.unsealedAfter + segment.unsealedBefore;
  if (unsealed > SEAL_EVERY) reportUnsealed(segment.first, state);
  if (segment.sealedThrough === undefined) segment.unsealedAfter = unsealed;
};

const toReport = (chain: string, { segments }: ChainState): ChainReport => {
  const sealedThrough = segments.flatMap((segment): readonly Position[] =>
    segment.sealedThrough === undefined ? [] : [segment.sealedThrough],
  );
  const sealed = sealedThrough.at(-1);
  return {
    chain,
    records: segments.reduce((sum, { records }) => sum + records, 0),
    first: segments[0]?.first.position.sequence ?? 0,
    last: segments.at(-1)?.last.position.sequence ?? 0,
    ...(sealed !== undefined && { sealedThrough: sealed.sequence }),
  };
};
