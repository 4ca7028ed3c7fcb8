import { computeSha256, type Position, type PartialWrite } from './chain.ts';
import type { Head } from './heads.ts';
import { readLine } from './record-reader.ts';

/** Bytes from the end of a file in which its last whole record is looked for. */
export const END_BYTES = 1024 * 1024;

/** The last bytes of a file, {@link END_BYTES} at most. */
export type FileEnd = { readonly bytes: Uint8Array; readonly isWhole: boolean };

/** Where a file's chain stands, and the bytes after it that are no record. */
type Tail = { readonly last?: Position; readonly partialWrite?: PartialWrite };

/** How a recorder's first record continues, or begins, a chain. */
export type ChainStart = {
  /** Absent: a new chain. */
  readonly resumes?: Position;
  readonly after: readonly Position[];
  readonly partialWrite?: PartialWrite;
};

/**
 * A chain goes on where its file ends, if that is not before the head that the cluster knows: else
 * records are lost, and a new chain begins that names every place that was reached.
 *
 * @param from.ends of the two newest files, the newest first
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

/** A new file may hold no whole record yet: then the one before it has the last. */
const findTail = ([newest, before]: readonly FileEnd[]): Tail => {
  if (newest === undefined) return {};
  const tail = readTail(newest);
  if (tail.last !== undefined || !newest.isWhole || before === undefined) return tail;
  const { last } = readTail(before);
  return { ...tail, ...(last !== undefined && { last }) };
};

const LINE_BREAK = 0x0a;

/**
 * Looks for the last whole record from the end on; what comes after it is torn. The very last may
 * lack its line break and is whole all the same: its readers see it so.
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

/** The line break at its end, if any, is where the next record may begin. */
const buildPartialWrite = (region: Buffer): { readonly partialWrite?: PartialWrite } => {
  const bytes = region.at(-1) === LINE_BREAK ? region.subarray(0, -1) : region;
  return region.length === 0
    ? {}
    : { partialWrite: { bytes: bytes.length, sha256: computeSha256(bytes) } };
};
