import { computeSha256, type Position, type PartialWrite } from './chain.ts';
import type { Head } from './heads.ts';
import { readLine } from './record-reader.ts';

/** Bytes at the end of a file that are searched for the last complete record. */
export const END_BYTES = 1024 * 1024;

/** The last bytes of a file, {@link END_BYTES} at most. */
export type FileEnd = { readonly bytes: Uint8Array; readonly isWhole: boolean };

/** The last record of a file, and the bytes after it that are not a record. */
type Tail = { readonly last?: Position; readonly partialWrite?: PartialWrite };

/** How the first record of a process continues or starts a chain. */
export type ChainStart = {
  /** Absent: a new chain. */
  readonly resumes?: Position;
  readonly after: readonly Position[];
  readonly partialWrite?: PartialWrite;
};

/**
 * Continues the chain at the end of its file, unless the published head is later. In that case records
 * were lost, and a new chain starts that names every known last position.
 *
 * @param from.ends ends of the two newest files, the newest first
 */
export const resumeChain = (from: {
  readonly ends?: readonly FileEnd[];
  readonly published?: Head;
}): ChainStart => {
  const { last, partialWrite } = findTail(from.ends ?? []);
  const rest = partialWrite === undefined ? {} : { partialWrite };
  const { published } = from;
  if (last !== undefined && (published === undefined || hasReached(last, published))) {
    return { resumes: last, after: [], ...rest };
  }
  return { after: [last, published].flatMap(toPosition), ...rest };
};

const hasReached = (last: Position, { chain, sequence, hash }: Head): boolean =>
  last.chain === chain &&
  (last.sequence > sequence || (last.sequence === sequence && last.hash === hash));

const toPosition = (place: Position | undefined): readonly Position[] =>
  place === undefined ? [] : [{ chain: place.chain, sequence: place.sequence, hash: place.hash }];

/** A new file may have no complete record yet; then the previous file has the last one. */
const findTail = ([newest, before]: readonly FileEnd[]): Tail => {
  if (newest === undefined) return {};
  const tail = readTail(newest);
  if (tail.last !== undefined || !newest.isWhole || before === undefined) return tail;
  const { last } = readTail(before);
  return { ...tail, ...(last !== undefined && { last }) };
};

const LINE_BREAK = 0x0a;

/**
 * Searches backwards for the last complete record; the bytes after it are a partial write. A last record
 * without its line break is complete, because readers accept it.
 */
const readTail = ({ bytes, isWhole }: FileEnd): Tail => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = buffer.length;
  while (end >= 0) {
    const start = end === 0 ? 0 : buffer.lastIndexOf(LINE_BREAK, end - 1) + 1;
    const reading = readLine(buffer.toString('utf8', start, end));
    if (reading.ok)
      return { last: reading.record.position, ...buildPartialWrite(buffer.subarray(end + 1)) };
    end = start - 1;
  }
  return isWhole ? buildPartialWrite(buffer) : {};
};

/** A line break at the end is not part of the partial write: the next record starts after it. */
const buildPartialWrite = (region: Buffer): { readonly partialWrite?: PartialWrite } => {
  const bytes = region.at(-1) === LINE_BREAK ? region.subarray(0, -1) : region;
  return region.length === 0
    ? {}
    : { partialWrite: { bytes: bytes.length, sha256: computeSha256(bytes) } };
};
