import {
  computeSha256,
  SEAL_EVERY,
  type Interruption,
  type PartialWrite,
  type Position,
} from './chain.ts';
import type { Head } from './heads.ts';
import { readLine, type ReadRecord } from './record-reader.ts';
import { isSealed, type PublicKeys } from './sealing-keys.ts';

/**
 * Bytes at the end of a file that are searched for the last seal: more than {@link SEAL_EVERY} records of
 * 16 KiB.
 */
export const END_BYTES = 24 * 1024 * 1024;

/** The last bytes of a file, {@link END_BYTES} at most. */
export type FileEnd = { readonly bytes: Uint8Array; readonly isWhole: boolean };

/** How the first record of a process continues or starts a chain. */
export type ChainStart = {
  /** Absent: a new chain. */
  readonly resumes?: Position;
  readonly after: readonly Position[];
  readonly partialWrite?: PartialWrite;
  /** Absent: there was no process before, or it closed its chain and the head is published. */
  readonly interrupted?: Interruption;
};

/**
 * Continues the chain at the end of its file if a valid seal near the end covers the published head.
 * Otherwise records were lost or replaced, and a new chain starts that names every known last position.
 * Without the key no one can write a seal, so records without one do not count.
 *
 * @param from.ends ends of the two newest files, the newest first
 * @param publicKeys the keys whose seals count
 */
export const resumeChain = (
  from: { readonly ends?: readonly FileEnd[]; readonly published?: Head },
  publicKeys: PublicKeys,
): ChainStart => {
  const { ends = [], published } = from;
  const { last, sealed, ...rest } = findTail(ends, publicKeys, published !== undefined);
  if (last !== undefined && sealed !== undefined && covers(sealed, published)) {
    return { resumes: last, after: [], ...rest };
  }
  return { after: [last, published].flatMap(toPosition), ...rest };
};

/** More than one write of a recorder. */
const MAX_UNPUBLISHED_LINES = 1_000;

/**
 * Lists the lines at the end of the files that another sink may not have stored: a process that was
 * killed had not published the head of its last write. The oldest line is first.
 */
export const listUnpublishedLines = (
  ends: readonly FileEnd[],
  published: Head | undefined,
): readonly string[] => {
  const lines: string[] = [];
  for (const { record, line } of readBackwards(ends)) {
    const { chain, sequence } = record.position;
    const isPublished = chain === published?.chain && sequence <= published.sequence;
    if (isPublished || lines.length === MAX_UNPUBLISHED_LINES) break;
    lines.push(line);
  }
  return lines.toReversed();
};

const covers = (sealed: Position, head: Head | undefined): boolean =>
  head === undefined ||
  (sealed.chain === head.chain &&
    (sealed.sequence > head.sequence ||
      (sealed.sequence === head.sequence && sealed.hash === head.hash)));

const toPosition = (place: Position | undefined): readonly Position[] =>
  place === undefined ? [] : [{ chain: place.chain, sequence: place.sequence, hash: place.hash }];

/** The last record of the files, the last one with a valid seal, and what the first record states. */
type Tail = Pick<ChainStart, 'partialWrite' | 'interrupted'> & {
  readonly last?: Position;
  readonly sealed?: Position;
};

/**
 * Each process publishes a head before it records anything else. Without a published head, a closed chain
 * may be an earlier end of a longer one, so it counts as interrupted.
 */
const findTail = (ends: readonly FileEnd[], publicKeys: PublicKeys, isPublished: boolean): Tail => {
  const [newest] = ends;
  if (newest === undefined) return {};
  const records = readBackwards(ends);
  const { value: found } = records.next();
  const partialWrite = readPartialWrite(newest, found?.isNewest === true ? found.end : 0);
  const rest = partialWrite === undefined ? {} : { partialWrite };
  if (found === undefined) return newest.isWhole ? rest : {};
  const { kind, position: last } = found.record;
  const end = findSeal(found.record, records, publicKeys);
  const { sealed, first } = end;
  const isComplete = first === undefined && partialWrite === undefined;
  const isClosed = isPublished && isComplete && kind === 'chain.closed';
  return {
    last,
    ...(sealed !== undefined && { sealed }),
    ...(!isClosed && { interrupted: buildInterruption(end, last) }),
    ...rest,
  };
};

/** Where the sealed part of a chain ends: the sealed record, and the first of those after it. */
type SealedEnd = { readonly sealed?: Position; readonly first?: Position };

const buildInterruption = ({ sealed, first }: SealedEnd, last: Position): Interruption => ({
  ...(sealed !== undefined && { sealed }),
  ...(first !== undefined && { unsealed: { from: first, to: last } }),
});

/** Walks back from the last record to a valid seal, as long as each record links to the one before. */
const findSeal = (
  last: ReadRecord,
  before: Iterable<FoundRecord>,
  publicKeys: PublicKeys,
): SealedEnd => {
  if (hasValidSeal(last, publicKeys)) return { sealed: last.position };
  let first = last;
  let count = 1;
  for (const { record } of before) {
    if (!isLinked(record, first) || count > SEAL_EVERY) break;
    if (hasValidSeal(record, publicKeys)) {
      return { sealed: record.position, first: first.position };
    }
    first = record;
    count += 1;
  }
  return { first: first.position };
};

const hasValidSeal = ({ link: { seal }, sealedText }: ReadRecord, publicKeys: PublicKeys) =>
  seal !== undefined && isSealed(sealedText(), seal, publicKeys) === true;

const isLinked = ({ position }: ReadRecord, next: ReadRecord): boolean =>
  position.chain === next.position.chain &&
  position.sequence === next.position.sequence - 1 &&
  position.hash === next.link.previous;

const LINE_BREAK = 0x0a;

/** A complete record, and where it ends: without its line break. */
type FoundRecord = {
  readonly record: ReadRecord;
  readonly line: string;
  readonly end: number;
  readonly isNewest: boolean;
};

/**
 * Reads records from the end; other lines are skipped. The previous file is read only if the newest one
 * is complete. A last record without its line break is complete, because readers accept it.
 */
const readBackwards = function* ([newest, before]: readonly FileEnd[]): Generator<
  FoundRecord,
  undefined
> {
  if (newest === undefined) return;
  yield* readFileBackwards(newest, true);
  if (newest.isWhole && before !== undefined) yield* readFileBackwards(before, false);
};

const readFileBackwards = function* (
  { bytes }: FileEnd,
  isNewest: boolean,
): Generator<FoundRecord, undefined> {
  const buffer = toBuffer(bytes);
  let end = buffer.length;
  while (end >= 0) {
    const start = end === 0 ? 0 : buffer.lastIndexOf(LINE_BREAK, end - 1) + 1;
    const line = buffer.toString('utf8', start, end);
    const reading = readLine(line);
    if (reading.ok) yield { record: reading.record, line, end, isNewest };
    end = start - 1;
  }
};

/**
 * The bytes of the newest file after its last record. A line break at the end is not part of the partial
 * write: the next record starts after it.
 *
 * @param end where the last record of the file ends; 0: it has none
 */
const readPartialWrite = ({ bytes }: FileEnd, end: number): PartialWrite | undefined => {
  const region = toBuffer(bytes).subarray(end === 0 ? 0 : end + 1);
  if (region.length === 0) return undefined;
  const written = region.at(-1) === LINE_BREAK ? region.subarray(0, -1) : region;
  return { bytes: written.length, sha256: computeSha256(written) };
};

const toBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
