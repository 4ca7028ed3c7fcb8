import { Readable } from 'node:stream';
import { createPieceList } from '../../async/piece-list.ts';
import { createChunkDecoder, type ChunkedFormat } from '../../signing/chunks.ts';
import { findChecksum, type Checksum } from '../../signing/checksums.ts';
import { computeFramedLength, createFrameEncoder } from '../../signing/framing.ts';
import { UNSIGNED_PAYLOAD } from '../../signing/canonical.ts';

/** Thrown when a payload has another checksum than its trailer says. */
class ChecksumError extends Error {
  readonly code = 'checksum_mismatch';
}

/** A body for the cloud, and the headers that describe it. */
export type UpstreamBody = {
  readonly body: Buffer | Readable | null;
  /** For `x-amz-content-sha256`. */
  readonly payloadHash: string;
  readonly headers: ReadonlyMap<string, string>;
};

/** Where no trailer was announced, AWS still wants one. */
const DEFAULT_CHECKSUM = 'x-amz-checksum-crc32';

const createChecksum = (trailer: string): Checksum => {
  const checksum = findChecksum(trailer)?.create();
  if (checksum === undefined) throw new Error(`expected a known checksum, got ${trailer}`);
  return checksum;
};

async function* decode(
  source: AsyncIterable<Uint8Array>,
  { push }: ReturnType<typeof createChunkDecoder>,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) yield* push(bytes);
}

/**
 * Decodes a payload and verifies its trailer. The last piece is held back until then, so that the cloud
 * never has a whole body with a wrong checksum.
 */
async function* decodeVerified(
  source: AsyncIterable<Uint8Array>,
  format: ChunkedFormat,
): AsyncGenerator<Uint8Array> {
  const decoder = createChunkDecoder(format);
  const checksum = format.trailer === undefined ? undefined : createChecksum(format.trailer);
  let held: Uint8Array | undefined;
  for await (const piece of decode(source, decoder)) {
    checksum?.update(piece);
    if (held !== undefined) yield held;
    held = piece;
  }
  const trailer = decoder.end();
  if (checksum !== undefined && (await checksum.digest()) !== trailer) {
    throw new ChecksumError(`expected a payload with the checksum of ${format.trailer ?? ''}`);
  }
  if (held !== undefined) yield held;
}

/** Decodes a whole payload and verifies its trailer. */
export const decodePayload = async (
  source: AsyncIterable<Uint8Array>,
  format: ChunkedFormat,
): Promise<Buffer> => {
  const pieces = createPieceList();
  for await (const piece of decodeVerified(source, format)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces.list());
};

/** Frames a payload again, with the client's trailer, which the cloud verifies, or with our own. */
async function* reframe(
  source: AsyncIterable<Uint8Array>,
  format: ChunkedFormat,
): AsyncGenerator<Uint8Array> {
  const trailer = format.trailer ?? DEFAULT_CHECKSUM;
  const decoder = createChunkDecoder(format);
  const encoder = createFrameEncoder(format.decodedLength, trailer);
  const checksum = format.trailer === undefined ? createChecksum(trailer) : undefined;
  for await (const piece of decode(source, decoder)) {
    checksum?.update(piece);
    yield* encoder.push(piece);
  }
  const value = decoder.end() ?? (await checksum?.digest()) ?? '';
  yield encoder.end(value);
}

/** For clouds that do not know the newest framing: the payload alone, with its length. */
export const buildPlainBody = (
  source: AsyncIterable<Uint8Array>,
  format: ChunkedFormat,
): UpstreamBody => ({
  body: Readable.from(decodeVerified(source, format)),
  payloadHash: UNSIGNED_PAYLOAD,
  headers: new Map([['content-length', String(format.decodedLength)]]),
});

/** `STREAMING-UNSIGNED-PAYLOAD-TRAILER`, for AWS. */
export const buildFramedBody = (
  source: AsyncIterable<Uint8Array>,
  format: ChunkedFormat,
): UpstreamBody => {
  const trailer = format.trailer ?? DEFAULT_CHECKSUM;
  const valueLength = findChecksum(trailer)?.length ?? 0;
  const length = computeFramedLength(format.decodedLength, { trailer, valueLength });
  return {
    body: Readable.from(reframe(source, format)),
    payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    headers: new Map([
      ['content-length', String(length)],
      ['content-encoding', 'aws-chunked'],
      ['x-amz-decoded-content-length', String(format.decodedLength)],
      ['x-amz-trailer', trailer],
    ]),
  };
};
