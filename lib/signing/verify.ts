import { timingSafeEqual } from 'node:crypto';
import type { Authorization, SignatureFault } from './authorization.ts';
import {
  buildCanonicalRequest,
  buildStringToSign,
  parseTimestamp,
  type SignableRequest,
} from './canonical.ts';
import type { AwsKeys, SignText } from './signing-keys.ts';

/** AWS accepts five minutes to either side, as do MinIO and Ceph RGW within theirs. */
const MAX_SKEW_MS = 300_000;

/** Presigned URLs carry one of these in the query. */
const PRESIGNED = ['X-Amz-Signature', 'X-Amz-Algorithm', 'X-Amz-Credential', 'Signature'];

/** What is to be verified: a request, and the keys that its access key ID names. */
export type Verification = {
  readonly request: SignableRequest;
  readonly authorization: Authorization;
  readonly keys: AwsKeys;
  /** Text of `x-amz-content-sha256`, or the SHA-256 of the body where the header is absent. */
  readonly payloadHash: string;
  readonly nowMs: number;
};

const isEqual = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
};

/** One that is absent counts as empty in a signature: `:authority` of a request of HTTP/1.1 would prove nothing. */
const signsHost = (headers: ReadonlyMap<string, string>, signed: readonly string[]): boolean =>
  signed.includes('host') || (headers.has(':authority') && signed.includes(':authority'));

/** A header that the cloud would obey must be signed: else anyone on the way could add it. */
const findUnsignedHeader = (
  { headers }: SignableRequest,
  { signedHeaders }: Authorization,
): string | undefined => {
  if (!signsHost(headers, signedHeaders)) return 'host';
  for (const name of headers.keys()) {
    if (name.startsWith('x-amz-') && !signedHeaders.includes(name)) return name;
  }
  return undefined;
};

const checkTime = ({ request, authorization, nowMs }: Verification): SignatureFault | undefined => {
  const timestamp = request.headers.get('x-amz-date') ?? '';
  const time = parseTimestamp(timestamp);
  if (time === undefined) {
    return {
      code: 'request_malformed',
      message: 'expected a header x-amz-date (yyyymmddThhmmssZ)',
    };
  }
  if (!timestamp.startsWith(authorization.scope.date)) {
    return {
      code: 'signature_invalid',
      message: `expected the date ${timestamp.slice(0, 8)} of x-amz-date in the credential scope, found ${authorization.scope.date}`,
    };
  }
  return Math.abs(nowMs - time) > MAX_SKEW_MS
    ? {
        code: 'clock_skew',
        message: `expected a time within ${MAX_SKEW_MS / 1000} s of ${new Date(nowMs).toISOString()}, found ${timestamp}`,
      }
    : undefined;
};

const checkHeaders = ({ request, authorization }: Verification): SignatureFault | undefined => {
  const presigned = PRESIGNED.find((name) => request.target.parameters.has(name));
  if (presigned !== undefined) {
    return {
      code: 'presigned',
      message: `expected a signature in the Authorization header, found ${presigned} in the query`,
    };
  }
  const unsigned = findUnsignedHeader(request, authorization);
  return unsigned === undefined
    ? undefined
    : {
        code: 'header_unsigned',
        message: `expected ${unsigned} among the signed headers`,
      };
};

/** Both digests are computed whatever the first says: the time that this takes must not show which one was wrong. */
const checkSignature = (
  { request, authorization, keys, payloadHash }: Verification,
  signText: SignText,
): SignatureFault | undefined => {
  const { scope, signedHeaders, signature } = authorization;
  const canonicalRequest = buildCanonicalRequest(request, {
    service: scope.service,
    signedHeaders,
    payloadHash,
  });
  const timestamp = request.headers.get('x-amz-date') ?? '';
  const expected = signText(keys, scope, buildStringToSign(canonicalRequest, { timestamp, scope }));
  const isSigned = isEqual(signature, expected);
  const hasToken = isEqual(request.headers.get('x-amz-security-token') ?? '', keys.sessionToken);
  return isSigned && hasToken
    ? undefined
    : {
        code: 'signature_invalid',
        message:
          'the signature does not match: use the credentials that the SDK reads from the sidecar, ' +
          'and change nothing after signing',
      };
};

/**
 * Verifies that the holder of `keys` signed this request now.
 *
 * @returns undefined if so, else the first reason against it
 */
export const verifyRequest = (
  verification: Verification,
  signText: SignText,
): SignatureFault | undefined =>
  checkHeaders(verification) ?? checkTime(verification) ?? checkSignature(verification, signText);
