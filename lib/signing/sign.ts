import { formatAuthorization } from './authorization.ts';
import {
  buildCanonicalRequest,
  buildStringToSign,
  formatRequestTarget,
  formatTimestamp,
  type SignableRequest,
} from './canonical.ts';
import type { AwsKeys, SignText } from './signing-keys.ts';

/** With what a request is signed. */
export type SigningOptions = {
  readonly keys: AwsKeys;
  readonly region: string;
  /** The signing name. */
  readonly service: string;
  /** SHA-256 of the payload as hexadecimal, or a constant such as `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string;
  readonly nowMs: number;
};

/** Headers that connections and proxies change on the way. */
const UNSIGNED = new Set([
  'authorization',
  'connection',
  'content-length',
  'expect',
  'te',
  'trailer',
  'transfer-encoding',
  'user-agent',
  'x-amzn-trace-id',
]);

/** Services that want the payload hash as a header. */
const needsPayloadHeader = (service: string): boolean => service.startsWith('s3');

/** Replaces what the client's own signature left behind. */
const completeHeaders = (
  { headers }: SignableRequest,
  { keys, service, payloadHash }: SigningOptions,
  timestamp: string,
): Map<string, string> => {
  const completed = new Map(headers);
  completed.set('x-amz-date', timestamp).set('x-amz-security-token', keys.sessionToken);
  return completed.has('x-amz-content-sha256') || needsPayloadHeader(service)
    ? completed.set('x-amz-content-sha256', payloadHash)
    : completed;
};

/** What goes to the cloud. */
export type SignedRequest = {
  /** Path and query, percent-encoded. */
  readonly path: string;
  /** All headers, with `authorization`. */
  readonly headers: ReadonlyMap<string, string>;
};

/**
 * Signs a request for a cloud.
 *
 * @param request must have the header `host` of the cloud
 */
export const signRequest = (
  request: SignableRequest,
  options: SigningOptions,
  signText: SignText,
): SignedRequest => {
  const { keys, region, service, payloadHash, nowMs } = options;
  const timestamp = formatTimestamp(nowMs);
  const headers = completeHeaders(request, options, timestamp);
  const scope = { date: timestamp.slice(0, 8), region, service };
  const signedHeaders = [...headers.keys()].filter((name) => !UNSIGNED.has(name)).sort();
  const canonicalRequest = buildCanonicalRequest(
    { ...request, headers },
    { service, signedHeaders, payloadHash },
  );
  const signature = signText(
    keys,
    scope,
    buildStringToSign(canonicalRequest, { timestamp, scope }),
  );
  const { accessKeyId } = keys;
  const authorization = formatAuthorization({ accessKeyId, scope, signedHeaders, signature });
  return {
    path: formatRequestTarget(request.target, service),
    headers: headers.set('authorization', authorization),
  };
};
