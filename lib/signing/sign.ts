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
): ReadonlyMap<string, string> =>
  new Map([
    ...headers,
    ['x-amz-date', timestamp],
    ['x-amz-security-token', keys.sessionToken],
    ...(headers.has('x-amz-content-sha256') || needsPayloadHeader(service)
      ? ([['x-amz-content-sha256', payloadHash]] as const)
      : []),
  ]);

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
    headers: new Map([...headers, ['authorization', authorization]]),
  };
};
