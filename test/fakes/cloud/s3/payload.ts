import { CloudError } from '../cloud-error.ts';
import { verifyChecksums } from './checksums.ts';
import { createChunkSigner } from './chunk-signature.ts';
import { decodeChunks } from './chunks.ts';
import { hashSha256 } from './digests.ts';

type Signing = Parameters<typeof createChunkSigner>[0];

/**
 * Turns a body as it was sent into content, having checked it in the way that its
 * `x-amz-content-sha256` header promises.
 *
 * @throws CloudError `XAmzContentSHA256Mismatch`, `BadDigest`, `IncompleteBody`, …
 */
export const readPayload = (
  body: Buffer,
  headers: ReadonlyMap<string, string>,
  signing: Signing,
): Buffer => {
  const decoded = decodePayload(body, headers.get('x-amz-content-sha256') ?? '', signing);
  const length = headers.get('x-amz-decoded-content-length');
  if (length !== undefined && Number(length) !== decoded.content.length) {
    throw new CloudError('IncompleteBody', 400, 'x-amz-decoded-content-length does not match');
  }
  requireTrailer(headers.get('x-amz-trailer'), decoded.trailer);
  verifyChecksums(decoded.content, new Map([...headers, ...decoded.trailer]));
  return decoded.content;
};

const decodePayload = (body: Buffer, promise: string, signing: Signing) => {
  const seed = signing.authorization.signature;
  switch (promise) {
    case 'UNSIGNED-PAYLOAD':
      return { content: body, trailer: new Map<string, string>() };
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return decodeChunks(body);
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return decodeChunks(body, { signer: createChunkSigner(signing), seed });
    default:
      return { content: verifyPayloadHash(body, promise), trailer: new Map<string, string>() };
  }
};

const verifyPayloadHash = (body: Buffer, promise: string): Buffer => {
  if (hashSha256(body) !== promise) {
    throw new CloudError('XAmzContentSHA256Mismatch', 400, 'x-amz-content-sha256 does not match');
  }
  return body;
};

const requireTrailer = (
  promised: string | undefined,
  trailer: ReadonlyMap<string, string>,
): void => {
  const missing = promised?.split(',').find((name) => !trailer.has(name.trim().toLowerCase()));
  if (missing !== undefined) {
    throw new CloudError('InvalidRequest', 400, `the trailer lacks ${missing}`);
  }
};
