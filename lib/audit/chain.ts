import { createHash } from 'node:crypto';

import { canonicalizeJson } from '../schema/canonical-json.ts';

/** One place in a chain. */
export type Position = {
  readonly chain: string;
  /** 0 is the chain's beginning. */
  readonly sequence: number;
  /** SHA-256, hex, of the record that stands there. */
  readonly hash: string;
};

/** What a record says of its place; under `unmapped.chain` of every line. */
export type ChainLink = {
  /** `<replica>.<random>`. */
  readonly id: string;
  /** SHA-256, hex, of the record before; of the first, {@link NOTHING_BEFORE}. */
  readonly previous: string;
  /** The last known places of chains that this one takes the place of. */
  readonly after?: readonly Position[];
  /** The bytes before this record that are not a record: a partial write of a killed process. */
  readonly partial_write?: PartialWrite;
  readonly seal?: Seal;
};

/** Without the line break at its end, where it has one. */
export type PartialWrite = { readonly bytes: number; readonly sha256: string };

/** A signature over the record without its seal and hash, and so over everything before it. */
export type Seal = {
  /** SHA-256, hex, of the public key (DER, SubjectPublicKeyInfo). */
  readonly key: string;
  /** Ed25519, base64url. */
  readonly signature: string;
};

/** The OCSF attributes of a record, less its place. */
export type Attributes = {
  readonly metadata: object;
  readonly unmapped: object;
};

/** A record in its place: one line of a file, without the line break. */
export type LinkedRecord = { readonly line: string; readonly position: Position };

export const NOTHING_BEFORE = '0'.repeat(64);

/** Records between two seals, at most. */
export const SEAL_EVERY = 1_000;

/**
 * Puts a record into its place after `previous`, and seals it where `sign` is given. The hash is
 * SHA-256 over the canonical JSON (RFC 8785) of the record without `unmapped.chain.hash`.
 *
 * @param sign answers the seal of a canonical JSON
 * @throws Error when the attributes are no JSON
 */
export const linkRecord = (
  attributes: Attributes,
  place: Omit<ChainLink, 'seal'> & { readonly sequence: number },
  sign?: (text: string) => Seal,
): LinkedRecord => {
  const { sequence, ...link } = place;
  const uid = `${link.id}/${sequence}`;
  const bare = {
    ...attributes,
    metadata: { ...attributes.metadata, sequence, uid },
    unmapped: { ...attributes.unmapped, chain: link },
  };
  const sealed =
    sign === undefined ? bare : addChainMembers(bare, { seal: sign(canonicalizeJson(bare)) });
  const hash = computeSha256(canonicalizeJson(sealed));
  const line = canonicalizeJson(addChainMembers(sealed, { hash }));
  return { line, position: { chain: link.id, sequence, hash } };
};

type Chained = { readonly unmapped: { readonly chain: object } };

/** The record with these members of its place besides, or instead. */
export const addChainMembers = <T extends Chained>(record: T, members: object) => ({
  ...record,
  unmapped: { ...record.unmapped, chain: { ...record.unmapped.chain, ...members } },
});

export const computeSha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');
