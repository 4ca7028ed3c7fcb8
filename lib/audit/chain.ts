import { createHash } from 'node:crypto';

import { canonicalizeJson } from '../schema/canonical-json.ts';

/** One position in a chain. */
export type Position = {
  readonly chain: string;
  /** 0 is the first record. */
  readonly sequence: number;
  /** SHA-256, hex, of the record at this position. */
  readonly hash: string;
};

/** Position and links of a record; `unmapped.chain` of every line. */
export type ChainLink = {
  /** `<replica>.<random>`. */
  readonly id: string;
  /** SHA-256, hex, of the previous record; {@link NOTHING_BEFORE} in the first record. */
  readonly previous: string;
  /** The last known positions of the chains that this one replaces. */
  readonly after?: readonly Position[];
  /** The bytes before this record that are not a record: a partial write of a killed process. */
  readonly partial_write?: PartialWrite;
  /** In the first record of a process: the one before did not close its chain. */
  readonly interrupted?: Interruption;
  /** The last record of each chain up to which this authority removed records. */
  readonly pruned?: readonly Position[];
  readonly seal?: Seal;
};

/** The bytes, without a line break at their end. */
export type PartialWrite = { readonly bytes: number; readonly sha256: string };

/**
 * What a process found at the end of the files when the one before had not closed its chain. Any user who
 * can write the volume could have replaced `unsealed`, and removed what followed the last record.
 */
export type Interruption = {
  /** The last record with a valid seal; absent: none was found. */
  readonly sealed?: Position;
  /** The first and the last record after it; absent: none. */
  readonly unsealed?: { readonly from: Position; readonly to: Position };
};

/** A signature over the record without seal and hash, and thereby over all records before it. */
export type Seal = {
  /** SHA-256, hex, of the public key (DER, SubjectPublicKeyInfo). */
  readonly key: string;
  /** Ed25519, base64url. */
  readonly signature: string;
};

/** The OCSF attributes of a record, without its position. */
export type Attributes = {
  readonly metadata: object;
  readonly unmapped: object;
};

/** A record at its position: one line of a file, without the line break. */
export type LinkedRecord = { readonly line: string; readonly position: Position };

export const NOTHING_BEFORE = '0'.repeat(64);

/** The replica that writes the chain `<replica>.<random>`. */
export const readReplica = (chain: string): string => chain.slice(0, chain.lastIndexOf('.'));

/** Largest number of records between two seals. */
export const SEAL_EVERY = 1_000;

/**
 * Links a record to the previous one, and seals it if `sign` is given. The hash is SHA-256 over the
 * canonical JSON (RFC 8785) of the record without `unmapped.chain.hash`.
 *
 * @param sign returns the seal of a canonical JSON text
 * @throws Error when the attributes have no JSON form
 */
export const linkRecord = (
  attributes: Attributes,
  place: Omit<ChainLink, 'seal'> & { readonly sequence: number },
  sign?: (text: string) => Seal,
): LinkedRecord => {
  const { sequence, ...link } = place;
  const uid = `${link.id}/${sequence}`;
  const metadata = { ...attributes.metadata, sequence, uid };
  const render = createLinkRenderer({ ...attributes, metadata });
  const sealed = sign === undefined ? link : { ...link, seal: sign(render(link)) };
  const hash = computeSha256(render(sealed));
  const line = render({ ...sealed, hash });
  return { line, position: { chain: link.id, sequence, hash } };
};

/**
 * Renders the canonical JSON of a record with a chain link. What is signed, what is hashed and the line differ
 * only in the link, so that the rest is rendered once.
 */
const createLinkRenderer = (record: Attributes): ((link: object) => string) => {
  const [start, end] = renderAround(record, 'unmapped');
  const [before, after] = renderAround(record.unmapped, 'chain');
  return (link) => `${start}${before}${canonicalizeJson(link)}${after}${end}`;
};

/** Canonical JSON of an object before and after the value of one member. RFC 8785 orders by UTF-16 code units. */
const renderAround = (object: object, name: string): readonly [string, string] => {
  const render = (isIncluded: (other: string) => boolean) =>
    canonicalizeJson(
      Object.fromEntries(Object.entries(object).filter(([other]) => isIncluded(other))),
    ).slice(1, -1);
  const [before, after] = [render((other) => other < name), render((other) => other > name)];
  return [
    `{${before}${before === '' ? '' : ','}${JSON.stringify(name)}:`,
    `${after === '' ? '' : ','}${after}}`,
  ];
};

type Chained = { readonly unmapped: { readonly chain: object } };

/** Adds or replaces members of the chain link. */
export const addChainMembers = <T extends Chained>(record: T, members: object) => ({
  ...record,
  unmapped: { ...record.unmapped, chain: { ...record.unmapped.chain, ...members } },
});

export const computeSha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');
