import type { ChainLink, Position } from './chain.ts';
import { createFindings, formatForeignText, type Findings, type Place } from './audit-findings.ts';
import type { Head } from './heads.ts';
import type { PublicKeys } from './sealing-keys.ts';
import type { Segment } from './segment.ts';

/** State of a verification over all files. */
export type VerificationState = {
  readonly publicKeys: PublicKeys;
  readonly findings: Findings;
  readonly chains: Map<string, ChainState>;
  /** Positions that must exist, and where each is claimed. */
  readonly claims: Claim[];
  /** `<chain>/<sequence>` of the published heads. */
  readonly wanted: ReadonlySet<string>;
};

export type ChainState = {
  readonly segments: Segment[];
  /** Hashes of the newest sealed records by sequence. */
  readonly sealed: Map<number, string>;
};

type Claim = Place & { readonly position: Position; readonly isHead: boolean };

/** Sealed records kept for each chain: more than a day at one every five seconds. */
const MAX_SEALED_HASHES = 20_000;

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
  const wanted = new Set(claims.map(({ position }) => formatPosition(position)));
  return { publicKeys, findings: createFindings(), chains: new Map(), claims, wanted };
};

export const getChainState = ({ chains }: VerificationState, id: string): ChainState => {
  const known = chains.get(id) ?? { segments: [], sealed: new Map<number, string>() };
  chains.set(id, known);
  return known;
};

/** Records a position that later claims are compared with, and the claims of the record itself. */
export const recordPosition = (
  state: VerificationState,
  position: Position,
  { seal, after }: ChainLink,
  place: Place,
): void => {
  for (const earlier of after ?? []) {
    state.claims.push({ ...place, position: earlier, isHead: false });
  }
  if (seal === undefined) return;
  const { sealed } = getChainState(state, position.chain);
  sealed.set(position.sequence, position.hash);
  if (sealed.size > MAX_SEALED_HASHES) evictOldest(state, position.chain, sealed);
};

const evictOldest = (
  { wanted }: VerificationState,
  chain: string,
  sealed: Map<number, string>,
): void => {
  const [oldest] = sealed;
  if (oldest === undefined) return;
  const [sequence, hash] = oldest;
  sealed.delete(sequence);
  if (wanted.has(formatPosition({ chain, sequence }))) sealed.set(sequence, hash);
};

const formatPosition = ({ chain, sequence }: Pick<Position, 'chain' | 'sequence'>): string =>
  `${chain}/${sequence}`;

/**
 * Reports each claim that contradicts the files. Call it after all files were read.
 *
 * @param isMissingStartAllowed whether a whole earlier chain may be absent
 */
export const checkClaims = (state: VerificationState, isMissingStartAllowed: boolean): void => {
  for (const claim of state.claims)
    checkClaim(state, claim, isMissingStartAllowed && !claim.isHead);
};

const checkClaim = (
  { chains, findings }: VerificationState,
  claim: Claim,
  mayBeAbsent: boolean,
): void => {
  const { chain, sequence, hash } = claim.position;
  const expected = `record ${sequence} of ${formatForeignText(chain)}, hash ${formatForeignText(hash)}`;
  const known = chains.get(chain);
  const last = known?.segments.at(-1)?.last.position;
  if (known === undefined || last === undefined) {
    if (mayBeAbsent)
      findings.note(claim, 'missing_start_allowed', `${formatForeignText(chain)} is not verified`);
    else findings.fault(claim, 'missing_chain', { expected, got: 'no record of that chain' });
  } else if (last.sequence < sequence) {
    findings.fault(claim, 'truncated', { expected, got: `an end at record ${last.sequence}` });
  } else {
    const found = last.sequence === sequence ? last.hash : known.sealed.get(sequence);
    if (found === undefined) findings.note(claim, 'head_too_old', `${expected} is not compared`);
    else if (found !== hash) {
      findings.fault(claim, 'fork', { expected, got: `hash ${found}` });
    }
  }
};
