import { CloudError } from '../cloud-error.ts';
import type { createChunkSigner } from './chunk-signature.ts';
import { isSameText } from './digests.ts';

/** An `aws-chunked` body, decoded: the content, and the trailer's headers in lower case. */
export type DecodedChunks = {
  readonly content: Buffer;
  readonly trailer: ReadonlyMap<string, string>;
};

/** How chunks are signed; absent where the payload is unsigned. */
export type ChunkSigning = {
  readonly signer: ReturnType<typeof createChunkSigner>;
  /** The signature of the request's headers, from which the chain starts. */
  readonly seed: string;
};

/**
 * Decodes an `aws-chunked` body: `<hex size>[;chunk-signature=…]\r\n<data>\r\n`, a chunk of size 0,
 * then trailing headers.
 *
 * @throws CloudError `InvalidRequest` or `SignatureDoesNotMatch`
 */
export const decodeChunks = (body: Buffer, signing?: ChunkSigning): DecodedChunks => {
  const parts: Buffer[] = [];
  let at = 0;
  let previous = signing?.seed ?? '';
  for (;;) {
    const line = readLine(body, at);
    const { size, signature } = readChunkHeader(line.text);
    const data = body.subarray(line.next, line.next + size);
    if (data.length !== size) throw createMalformedChunk('a chunk is shorter than it says');
    if (signing !== undefined) {
      previous = verifyChunkSignature(signature, signing.signer.chunk(previous, data));
    }
    at = line.next + size;
    if (size === 0) break;
    if (body.subarray(at, at + 2).toString() !== '\r\n')
      throw createMalformedChunk('a chunk does not end');
    at += 2;
    parts.push(data);
  }
  const trailer = readTrailer(body.subarray(at).toString('latin1'));
  if (signing !== undefined) verifyTrailer(trailer, previous, signing);
  return { content: Buffer.concat(parts), trailer };
};

const createMalformedChunk = (message: string): CloudError =>
  new CloudError('InvalidRequest', 400, message);

const readLine = (body: Buffer, from: number): { text: string; next: number } => {
  const end = body.indexOf('\r\n', from);
  if (end < 0 || end - from > 200) throw createMalformedChunk('a chunk has no header');
  return { text: body.subarray(from, end).toString('latin1'), next: end + 2 };
};

const readChunkHeader = (text: string): { size: number; signature: string } => {
  const found = /^([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(text);
  if (!found) throw createMalformedChunk('a chunk header is malformed');
  return { size: parseInt(found[1] ?? '', 16), signature: found[2] ?? '' };
};

const readTrailer = (text: string): Map<string, string> =>
  new Map(
    text
      .split(/\r?\n/)
      .filter((line) => line !== '')
      .map((line) => {
        const colon = line.indexOf(':');
        if (colon < 1) throw createMalformedChunk('a trailing header is malformed');
        return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()] as const;
      }),
  );

const TRAILER_SIGNATURE = 'x-amz-trailer-signature';

const verifyTrailer = (
  trailer: ReadonlyMap<string, string>,
  previous: string,
  { signer }: ChunkSigning,
): void => {
  const covered = [...trailer].filter(([name]) => name !== TRAILER_SIGNATURE);
  if (covered.length === 0) return;
  const text = covered.map(([name, value]) => `${name}:${value}\n`).join('');
  verifyChunkSignature(trailer.get(TRAILER_SIGNATURE) ?? '', signer.trailer(previous, text));
};

const verifyChunkSignature = (given: string, expected: string): string => {
  if (!isSameText(given, expected)) {
    throw new CloudError('SignatureDoesNotMatch', 403, 'A chunk signature does not match');
  }
  return expected;
};
