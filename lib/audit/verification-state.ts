import { readReplica, type ChainLink, type Position } from './chain.ts';
import { createFindings, formatForeignText, type Findings, type Place } from './audit-findings.ts';
import type { Head } from './heads.ts';
import type { PublicKeys } from './sealing-keys.ts';
import type { RecordLocation, Segment } from './segment.ts';

/** State of a verification over all files. */
export type VerificationState = {
  readonly publicKeys: PublicKeys;
  readonly findings: Findings;
  readonly chains: Map<string, ChainState>;
  /** Positions that must exist, and where each is claimed. */
  readonly claims: Claim[];
  /** By chain: the last record up to which the authority states that it removed records. */
  readonly pruned: Map<string, Claim>;
};

export type ChainState = { readonly segments: Segment[] };

export type Claim = Place & { readonly position: Position; readonly isHead: boolean };

/** @param heads published heads by replica */
export const createVerificationState = (
  publicKeys: PublicKeys,
  heads: Readonly<Record<string, Head>>,
): VerificationState => {
  const claims = Object.entries(heads).map(([replica, position]) => ({
    file: `published head of ${formatForeignText(replica)}`,
    line: 0,
    position,
    isHead: true,
  }));
  const findings = createFindings();
  return { publicKeys, findings, chains: new Map(), claims, pruned: new Map() };
};

export const getChainState = ({ chains }: VerificationState, id: string): ChainState => {
  const known = chains.get(id) ?? { segments: [] };
  chains.set(id, known);
  return known;
};

/**
 * Keeps what a record claims about other records. A removal counts only with a valid seal, and only for
 * chains of the same replica: a replica removes no files of another.
 */
export const recordClaims = (
  { claims, pruned }: VerificationState,
  link: ChainLink,
  { place, isSealValid }: { readonly place: Place; readonly isSealValid: boolean },
): void => {
  const toClaim = (position: Position): Claim => ({ ...place, position, isHead: false });
  claims.push(...(link.after ?? []).map(toClaim));
  if (!isSealValid) return;
  for (const claim of (link.pruned ?? []).map(toClaim)) {
    const { chain, sequence } = claim.position;
    if (readReplica(chain) !== readReplica(link.id)) continue;
    if ((pruned.get(chain)?.position.sequence ?? -1) < sequence) pruned.set(chain, claim);
  }
};

/**
 * Reports each claim that contradicts the files. Call it after all files were read.
 *
 * @param isMissingStartAllowed whether a whole earlier chain may be absent
 */
export const checkClaims = (state: VerificationState, isMissingStartAllowed: boolean): void => {
  for (const claim of state.claims)
    checkClaim(state, claim, isMissingStartAllowed && !claim.isHead);
  // Removed records may be present: from an export, or because a process was killed.
  for (const claim of state.pruned.values()) compareClaim(state, claim);
};

const checkClaim = (state: VerificationState, claim: Claim, mayBeAbsent: boolean): void => {
  const { findings, chains } = state;
  const { chain, sequence } = claim.position;
  const expected = formatExpected(claim);
  const last = findLast(chains.get(chain))?.position;
  if (last === undefined) {
    if (isRemoved(state, claim.position))
      findings.note(claim, 'pruned', `every record of ${formatForeignText(chain)} was removed`);
    else if (mayBeAbsent)
      findings.note(claim, 'missing_start_allowed', `${formatForeignText(chain)} is not verified`);
    else findings.fault(claim, 'missing_chain', { expected, got: 'no record of that chain' });
  } else if (last.sequence < sequence) {
    findings.fault(claim, 'truncated', { expected, got: `an end at record ${last.sequence}` });
  } else if (!compareClaim(state, claim)) {
    findings.note(claim, 'head_too_old', `${expected} is not compared`);
  }
};

/** Reports another record at the claimed position. Returns whether there is a record. */
const compareClaim = ({ chains, findings }: VerificationState, claim: Claim): boolean => {
  const { chain, sequence, hash } = claim.position;
  const found = chains.get(chain)?.segments.flatMap(({ hashes }) => hashes.find(sequence) ?? []);
  const other = found?.find((each) => each !== hash);
  if (other !== undefined) {
    findings.fault(claim, 'fork', { expected: formatExpected(claim), got: `hash ${other}` });
  }
  return found !== undefined && found.length > 0;
};

const formatExpected = ({ position: { chain, sequence, hash } }: Claim): string =>
  `record ${sequence} of ${formatForeignText(chain)}, hash ${formatForeignText(hash)}`;

/** Whether the authority states that it removed the record. */
export const isRemoved = (
  { pruned }: VerificationState,
  { chain, sequence }: Pick<Position, 'chain' | 'sequence'>,
): boolean => sequence <= (pruned.get(chain)?.position.sequence ?? -1);

/** The last record of a chain in all its files. */
export const findLast = (chain: ChainState | undefined): RecordLocation | undefined =>
  chain?.segments
    .map(({ last }) => last)
    .reduce<RecordLocation | undefined>(
      (highest, last) =>
        highest === undefined || last.position.sequence > highest.position.sequence
          ? last
          : highest,
      undefined,
    );
