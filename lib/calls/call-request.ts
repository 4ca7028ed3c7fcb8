import { parseAuthorization, type Authorization } from '../signing/authorization.ts';
import { sha256, type SignableRequest } from '../signing/canonical.ts';
import { verifyRequest } from '../signing/verify.ts';
import type { AwsKeys, SignText } from '../signing/signing-keys.ts';
import { isForwardedHeader } from '../runs/forwarded-headers.ts';
import { parseRequestTarget, type RequestTarget } from '../schema/request-target.ts';
import type { CallRefusal, CallRefusalCode } from './call-refusals.ts';

/** A request as an HTTP server received it. */
export type ReceivedRequest = {
  readonly method: string;
  /** The request target of the request line. */
  readonly url: string;
  /** Names and values in turn, as received. */
  readonly rawHeaders: readonly string[];
};

/** A call whose form was checked and whose signature was not yet verified. */
export type ParsedCall = {
  readonly request: SignableRequest;
  readonly authorization: Authorization;
};

/** A value, or the refusal of the call. */
export type CallResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: CallRefusal };

export const refuseCall = (code: CallRefusalCode, message: string): CallResult<never> => ({
  ok: false,
  refusal: { code, message },
});

/** RFC 9110, section 5.6.2, in the methods that AWS uses. */
const METHODS = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS']);

/** @returns the headers by lower-case name, or the name of one that is repeated */
const readHeaders = (rawHeaders: readonly string[]): ReadonlyMap<string, string> | string => {
  const headers = new Map<string, string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (headers.has(name)) return name;
    headers.set(name, rawHeaders[index + 1] ?? '');
  }
  return headers;
};

/** `h2c` asks for another version, which a server may ignore (RFC 9110, section 7.8). */
const IGNORED_UPGRADE = 'h2c';

/** Finds what no client in the pod sends, and what two readers could understand differently. */
export const findHeaderFault = (
  headers: ReadonlyMap<string, string>,
  host: string,
): CallRefusal | undefined => {
  if (headers.get('host') !== host) {
    return { code: 'request_malformed', message: `expected the header Host: ${host}` };
  }
  const forwarded = [...headers.keys()].find(isForwardedHeader);
  if (forwarded !== undefined) {
    return {
      code: 'not_local',
      message: `expected a direct request from this pod, found the header ${forwarded}`,
    };
  }
  if ((headers.get('upgrade') ?? IGNORED_UPGRADE).toLowerCase() !== IGNORED_UPGRADE) {
    return { code: 'upgrade_unsupported', message: 'expected no header Upgrade, except h2c' };
  }
  return headers.has('content-length') && headers.has('transfer-encoding')
    ? {
        code: 'request_malformed',
        message: 'expected Content-Length or Transfer-Encoding, not both',
      }
    : undefined;
};

/** The scheme selects what a request is, never the path, which only decides how it is refused. */
const findRouteFault = (
  headers: ReadonlyMap<string, string>,
  { path, parameters }: RequestTarget,
): CallRefusal | undefined => {
  if (headers.get('authorization')?.startsWith('AWS4-')) return undefined;
  if (parameters.has('X-Amz-Algorithm'))
    return { code: 'presigned', message: 'expected a signature in the header Authorization' };
  const isRoute = path.startsWith('/t/') || path.startsWith('/r/');
  return {
    code: isRoute ? 'route_unknown' : 'signature_missing',
    message: 'expected a request that is signed with AWS4-HMAC-SHA256',
  };
};

/**
 * Parses a call. What two readers could understand differently is refused: repeated headers, two
 * lengths, and everything that {@link parseRequestTarget} and {@link parseAuthorization} refuse.
 *
 * @param host the only `Host` that is accepted: a page in a browser cannot send it for another origin
 */
export const parseCall = (received: ReceivedRequest, host: string): CallResult<ParsedCall> => {
  const { method, url, rawHeaders } = received;
  const headers = readHeaders(rawHeaders);
  if (typeof headers === 'string') {
    return refuseCall('request_malformed', `expected the header ${headers} once`);
  }
  const headerFault = findHeaderFault(headers, host);
  if (headerFault !== undefined) return { ok: false, refusal: headerFault };
  if (!METHODS.has(method)) return refuseCall('request_malformed', 'expected a method of HTTP');
  const parsed = parseRequestTarget(url);
  if (!parsed.ok) return refuseCall('request_malformed', parsed.reason);
  const routeFault = findRouteFault(headers, parsed.target);
  if (routeFault !== undefined) return { ok: false, refusal: routeFault };
  const result = parseAuthorization(headers.get('authorization') ?? '');
  if (!result.ok) return { ok: false, refusal: result.fault };
  const request = { method, target: parsed.target, headers };
  return { ok: true, value: { request, authorization: result.authorization } };
};

/**
 * Verifies the signature of a call.
 *
 * @param body the whole body, if it was read before; else the cloud verifies the hash that was signed
 * @returns undefined if the holder of `keys` signed it now
 */
export const verifyCall = (
  { request, authorization }: ParsedCall,
  { keys, body, nowMs }: { keys: AwsKeys; body?: Uint8Array; nowMs: number },
  signText: SignText,
): CallRefusal | undefined => {
  const declared = request.headers.get('x-amz-content-sha256');
  const computed = body === undefined ? undefined : sha256(body);
  const isHash = /^[0-9a-f]{64}$/.test(declared ?? '');
  if (isHash && computed !== undefined && computed !== declared) {
    return { code: 'checksum_mismatch', message: 'expected a body with the signed SHA-256' };
  }
  const payloadHash = declared ?? computed ?? sha256('');
  return verifyRequest({ request, authorization, keys, payloadHash, nowMs }, signText);
};
