/** The framing that `x-amz-content-sha256` announces for a body of `Content-Encoding: aws-chunked`. */
export type ChunkedFormat = {
  /** Each chunk and the trailer carry a signature. */
  readonly isSigned: boolean;
  /** Name of the announced trailer (`x-amz-checksum-crc32`), if there is one. */
  readonly trailer?: string;
  /** Bytes of the payload, from `x-amz-decoded-content-length`. */
  readonly decodedLength: number;
};

/** Thrown for bytes that are not exactly what the format says. The message holds no byte of the body. */
export class ChunkedBodyError extends Error {
  readonly code = 'chunks_malformed';
}

/** Decodes a body piece by piece. */
export type ChunkDecoder = {
  /** @returns the payload within these bytes, as views of them. @throws ChunkedBodyError */
  readonly push: (bytes: Uint8Array) => readonly Uint8Array[];
  /**
   * Ends the body.
   * @returns the value of the trailer, if one was announced
   * @throws ChunkedBodyError if the body is incomplete
   */
  readonly end: () => string | undefined;
};

/** A size of 16 digits, a signature of 64 and names: no line of the framing is longer. */
const MAX_LINE_LENGTH = 256;
const LF = 10;
const SIGNED_SIZE = /^([0-9a-fA-F]{1,12});chunk-signature=[0-9a-f]{64}$/;
const UNSIGNED_SIZE = /^([0-9a-fA-F]{1,12})$/;
const TRAILER_SIGNATURE = /^x-amz-trailer-signature:[0-9a-f]{64}$/;
const TRAILER_VALUE = /^[A-Za-z0-9+/]{4,128}={0,2}$/;

/**
 * @param contentHash text of `x-amz-content-sha256`
 * @returns whether chunks are signed and a trailer follows, or undefined for a body without chunks
 */
export const parseStreamingHash = (
  contentHash: string,
): { readonly isSigned: boolean; readonly hasTrailer: boolean } | undefined =>
  new Map([
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { isSigned: true, hasTrailer: false }],
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { isSigned: true, hasTrailer: true }],
    ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { isSigned: false, hasTrailer: true }],
  ]).get(contentHash);

/** Collects one line that may arrive in pieces. Only CR LF ends it. */
const createLineReader = () => {
  let line = '';
  /** @returns how many bytes were taken, and the line if it is complete */
  return (bytes: Uint8Array): { taken: number; line?: string } => {
    const end = bytes.indexOf(LF);
    const taken = end < 0 ? bytes.length : end + 1;
    if (line.length + taken > MAX_LINE_LENGTH) {
      throw new ChunkedBodyError(
        `expected a line of at most ${MAX_LINE_LENGTH} bytes in the framing`,
      );
    }
    line += Buffer.from(bytes.buffer, bytes.byteOffset, taken).toString('latin1');
    if (end < 0) return { taken };
    if (!line.endsWith('\r\n')) throw new ChunkedBodyError('expected CR LF at the end of a line');
    const complete = line.slice(0, -2);
    line = '';
    return { taken, line: complete };
  };
};

/** The lines that may follow the last chunk, in this order; the empty line ends the body. */
const expectedLines = ({
  isSigned,
  trailer,
}: ChunkedFormat): readonly ('value' | 'signature')[] => [
  ...(trailer === undefined ? [] : (['value'] as const)),
  ...(trailer !== undefined && isSigned ? (['signature'] as const) : []),
];

const readTrailer = (line: string, name: string): string => {
  const value = line.slice(name.length + 1).trim();
  if (line.slice(0, name.length + 1).toLowerCase() !== `${name}:` || !TRAILER_VALUE.test(value)) {
    throw new ChunkedBodyError(`expected the announced trailer ${name} with a base64 value`);
  }
  return value;
};

/**
 * Creates a decoder that accepts exactly one reading of a body: sizes in hexadecimal without other
 * extensions than `chunk-signature`, CR LF, the announced trailer and nothing after it. Signatures of
 * chunks are not verified: they cover what the client sent over a local connection, and the cloud gets
 * a framing of our own.
 */
export const createChunkDecoder = (format: ChunkedFormat): ChunkDecoder => {
  const sizePattern = format.isSigned ? SIGNED_SIZE : UNSIGNED_SIZE;
  const trailerLines = [...expectedLines(format)];
  const readLine = createLineReader();
  let state: 'size' | 'data' | 'dataEnd' | 'trailer' | 'done' = 'size';
  let leftInChunk = 0;
  let leftInBody = format.decodedLength;
  let trailerValue: string | undefined;

  const startChunk = (line: string): void => {
    const size = sizePattern.exec(line)?.[1];
    if (size === undefined) throw new ChunkedBodyError('expected the size of a chunk');
    leftInChunk = Number.parseInt(size, 16);
    if (leftInChunk > leftInBody) {
      throw new ChunkedBodyError(`expected ${format.decodedLength} bytes in all, found more`);
    }
    if (leftInChunk === 0 && leftInBody > 0) {
      throw new ChunkedBodyError(`expected ${leftInBody} more bytes, found the last chunk`);
    }
    state = leftInChunk === 0 ? 'trailer' : 'data';
  };

  const endChunk = (line: string): void => {
    if (line !== '') throw new ChunkedBodyError('expected CR LF after the bytes of a chunk');
    state = 'size';
  };

  const readTrailerLine = (line: string): void => {
    const expected = trailerLines.shift();
    if (expected === 'value') trailerValue = readTrailer(line, format.trailer ?? '');
    else if (expected === 'signature') {
      if (!TRAILER_SIGNATURE.test(line))
        throw new ChunkedBodyError('expected x-amz-trailer-signature');
    } else if (line !== '') throw new ChunkedBodyError('expected the end of the body');
    else state = 'done';
  };

  const takeData = (bytes: Uint8Array, payload: Uint8Array[]): number => {
    const taken = Math.min(leftInChunk, bytes.length);
    payload.push(bytes.subarray(0, taken));
    leftInChunk -= taken;
    leftInBody -= taken;
    if (leftInChunk === 0) state = 'dataEnd';
    return taken;
  };

  const takeLine = (bytes: Uint8Array): number => {
    if (state === 'done') throw new ChunkedBodyError('expected nothing after the end of the body');
    const { taken, line } = readLine(bytes);
    if (line === undefined) return taken;
    if (state === 'size') startChunk(line);
    else if (state === 'dataEnd') endChunk(line);
    else readTrailerLine(line);
    return taken;
  };

  return {
    push: (bytes) => {
      const payload: Uint8Array[] = [];
      for (let at = 0; at < bytes.length;) {
        const rest = bytes.subarray(at);
        at += state === 'data' ? takeData(rest, payload) : takeLine(rest);
      }
      return payload;
    },
    end: () => {
      if (state !== 'done')
        throw new ChunkedBodyError('expected the rest of the body, found its end');
      return trailerValue;
    },
  };
};
