import { SEAL_EVERY, type Position } from './chain.ts';
import { verifyFile, reportUnsealed, type AuditFile } from './file-verification.ts';
import { formatForeignText, type AuditFault, type AuditNote } from './audit-findings.ts';
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
  /** Of seals; one by any other is a fault. */
  readonly publicKeys: PublicKeys;
  /** By replica, as the cluster keeps them. Without them, a cut at a chain's end is not seen. */
  readonly heads?: Readonly<Record<string, Head>>;
  /** Chains may begin later than at their first record: older files were put away. */
  readonly isMissingStartAllowed?: boolean;
  /** Lines that are no records are passed over: a log, not a file of ours. */
  readonly ignoresForeignLines?: boolean;
};

export type AuditReport = {
  readonly isWhole: boolean;
  /** All of them; {@link AuditReport.faults} lists the first 1,000. */
  readonly faultCount: number;
  readonly faults: readonly AuditFault[];
  readonly notes: readonly AuditNote[];
  readonly chains: readonly ChainReport[];
};

export type ChainReport = {
  readonly chain: string;
  readonly records: number;
  readonly first: number;
  readonly last: number;
  /** The last record under a seal that holds; what comes after it is linked, but signed by nobody yet. */
  readonly sealedThrough?: number;
};

/**
 * Verifies chains of records, of any number of replicas, over any number of files in any order. It
 * reads each file once and holds a line at a time.
 *
 * Found are: a line edited, removed, moved, repeated or added; a forged seal; a chain that ends
 * before the head which the cluster, or a later chain, knows. Not found: records cut off after the
 * last head that anybody knows.
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
  const ledger = createVerificationState(publicKeys, heads);
  for (const file of files) await verifyFile(file, ledger, ignoresForeignLines);
  for (const chain of ledger.chains.values()) checkSegments(chain, ledger, isMissingStartAllowed);
  checkClaims(ledger, isMissingStartAllowed);
  const { faults, notes, count } = ledger.findings;
  const chains = Array.from(ledger.chains, ([id, chain]) => toReport(id, chain));
  return { isWhole: count() === 0, faultCount: count(), faults, notes, chains };
};

/** Puts a chain's parts, each from one file, in their order, and judges where they meet. */
const checkSegments = (
  { segments }: ChainState,
  ledger: VerificationState,
  isMissingStartAllowed: boolean,
): void => {
  segments.sort((a, b) => a.first.position.sequence - b.first.position.sequence);
  segments.forEach((segment, index) => {
    const before = segments[index - 1];
    if (before === undefined) checkFirstSegment(segment, ledger, isMissingStartAllowed);
    else checkBoundary(before, segment, ledger);
  });
};

const checkFirstSegment = (
  { first }: Segment,
  { findings }: VerificationState,
  isMissingStartAllowed: boolean,
): void => {
  const { chain, sequence } = first.position;
  if (sequence === 0) return;
  const text = `${formatForeignText(chain)} is verified from record ${sequence} on`;
  if (isMissingStartAllowed) findings.note(first, 'missing_start_allowed', text);
  else findings.fault(first, 'missing_start', { expected: 'record 0', got: `${sequence}` });
};

const checkBoundary = (before: Segment, segment: Segment, ledger: VerificationState): void => {
  checkContinuity(before.last, segment.first, ledger.findings);
  const unsealed = before.unsealedAfter + segment.unsealedBefore;
  if (unsealed > SEAL_EVERY) reportUnsealed(segment.first, ledger);
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
