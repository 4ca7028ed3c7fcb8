import { parseStreamingHash, type ChunkedFormat } from '../signing/chunks.ts';
import { findChecksum } from '../signing/checksums.ts';
import { UNSIGNED_PAYLOAD } from '../signing/canonical.ts';
import { refuseCall, type CallResult } from './call-request.ts';

/** How the body of a call reaches the cloud. */
export type BodyPlan =
  /** Passed on as it is; `payloadHash` was signed and is signed again. */
  | { readonly kind: 'stream'; readonly payloadHash: string; readonly length: number }
  /** Decoded, because chunk signatures are made with keys that the cloud does not know. */
  | { readonly kind: 'chunked'; readonly format: ChunkedFormat }
  /** Read first, because the signature or the decision depends on it. */
  | { readonly kind: 'buffer' };

const LENGTH = /^(?:0|[1-9][0-9]{0,12})$/;
const HASH = /^[0-9a-f]{64}$/;

const planChunks = (
  headers: ReadonlyMap<string, string>,
  { isSigned, hasTrailer }: { isSigned: boolean; hasTrailer: boolean },
): CallResult<BodyPlan> => {
  const length = headers.get('x-amz-decoded-content-length') ?? '';
  const trailer = headers.get('x-amz-trailer');
  if (!LENGTH.test(length)) {
    return refuseCall('request_malformed', 'expected x-amz-decoded-content-length in bytes');
  }
  if (hasTrailer !== (trailer !== undefined) || (trailer && !findChecksum(trailer))) {
    return refuseCall(
      'request_malformed',
      hasTrailer ? 'expected one checksum in x-amz-trailer' : 'expected no x-amz-trailer',
    );
  }
  const format = { isSigned, decodedLength: Number(length), ...(trailer ? { trailer } : {}) };
  return { ok: true, value: { kind: 'chunked', format } };
};

/** Its client waits for the response before it sends the end: the body cannot be read first. */
const isEventStream = (headers: ReadonlyMap<string, string>): boolean =>
  headers.get('x-amz-content-sha256')?.endsWith('-EVENTS') === true ||
  headers.get('content-type')?.toLowerCase().startsWith('application/vnd.amazon.eventstream') ===
    true;

/**
 * Plans the body of a call to S3 by its `x-amz-content-sha256`; bodies of all other services are read
 * first.
 */
export const planBody = (
  headers: ReadonlyMap<string, string>,
  service: string,
): CallResult<BodyPlan> => {
  const contentHash = headers.get('x-amz-content-sha256');
  if (isEventStream(headers)) {
    return refuseCall('event_stream', 'expected a body, found a stream of events');
  }
  if (service !== 's3' || contentHash === undefined) return { ok: true, value: { kind: 'buffer' } };
  const streaming = parseStreamingHash(contentHash);
  if (streaming !== undefined) return planChunks(headers, streaming);
  if (contentHash.startsWith('STREAMING-')) {
    return refuseCall('event_stream', 'expected a body, found a signed stream of events');
  }
  const length = headers.get('content-length') ?? '0';
  if (!LENGTH.test(length) || headers.has('transfer-encoding')) {
    return refuseCall('request_malformed', 'expected Content-Length in bytes');
  }
  return HASH.test(contentHash) || contentHash === UNSIGNED_PAYLOAD
    ? { ok: true, value: { kind: 'stream', payloadHash: contentHash, length: Number(length) } }
    : refuseCall('request_malformed', 'expected the SHA-256 of the body in x-amz-content-sha256');
};
