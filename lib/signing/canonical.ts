import { hash } from 'node:crypto';
import type { RequestTarget } from '../schema/request-target.ts';

/** What a signature covers besides the payload. */
export type SignableRequest = {
  /** Upper case. */
  readonly method: string;
  readonly target: RequestTarget;
  /** Lower-case names, each once. */
  readonly headers: ReadonlyMap<string, string>;
};

/** Where and when a signature is valid: `20261128/eu-central-1/s3/aws4_request`. */
export type CredentialScope = {
  /** `yyyymmdd`, UTC. */
  readonly date: string;
  readonly region: string;
  /** The signing name: `s3`, `dynamodb`, `execute-api`. */
  readonly service: string;
};

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

/**
 * Services whose canonical path is encoded once and not normalized (Amazon S3 API Reference,
 * "Authenticating Requests"). For all others each segment is encoded twice.
 */
const SINGLE_ENCODED = new Set(['s3', 's3-object-lambda', 's3-outposts', 's3express']);

/** @returns lower-case hexadecimal */
export const sha256 = (data: string | Uint8Array): string => hash('sha256', data);

/** Formats a scope as `Credential` carries it after the access key ID. */
export const formatScope = ({ date, region, service }: CredentialScope): string =>
  `${date}/${region}/${service}/aws4_request`;

/** Most segments of paths: they are encoded as they are. */
const UNRESERVED = /^[\w.~-]*$/;

const encode = (text: string): string =>
  UNRESERVED.test(text)
    ? text
    : encodeURIComponent(text).replace(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      );

const encodeSegments = (path: string): string => path.split('/').map(encode).join('/');

/** S3 decodes the path that it receives and encodes it again, so that `%7E` and `~` are one key. */
const canonicalizePath = ({ path, decodedPath }: RequestTarget, service: string): string =>
  encodeSegments(SINGLE_ENCODED.has(service) ? decodedPath : path);

const canonicalizeQuery = ({ parameters }: RequestTarget): string =>
  parameters.size === 0
    ? ''
    : [...parameters]
        .map(([name, value]) => [encode(name), encode(value)] as const)
        .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1))
        .map(([name, value]) => `${name}=${value}`)
        .join('&');

type CanonicalTarget = {
  readonly target: RequestTarget;
  readonly service: string;
  readonly path: string;
  readonly query: string;
};

/** Of the last target: a call is verified, signed and sent with the same one, which never changes. */
let lastCanonical: CanonicalTarget | undefined;

const canonicalizeTarget = (target: RequestTarget, service: string): CanonicalTarget => {
  if (lastCanonical?.target !== target || lastCanonical.service !== service) {
    const path = canonicalizePath(target, service);
    lastCanonical = { target, service, path, query: canonicalizeQuery(target) };
  }
  return lastCanonical;
};

/**
 * Formats the path and query to send, so that what the cloud decodes is what was signed: S3 gets the
 * canonical path, and all get the canonical query.
 */
export const formatRequestTarget = (target: RequestTarget, service: string): string => {
  const canonical = canonicalizeTarget(target, service);
  const path = SINGLE_ENCODED.has(service) ? canonical.path : target.path;
  const { query } = canonical;
  return query === '' ? path : `${path}?${query}`;
};

/** Spaces that the canonical form does not have; most values have none of them. */
const EXTRA_SPACE = /^\s|\s$|\t| {2}/;

/** Without the spaces around it, and with one for several. */
const canonicalizeValue = (value: string): string =>
  EXTRA_SPACE.test(value) ? value.trim().replace(/[ \t]+/g, ' ') : value;

/**
 * Builds the canonical request (IAM User Guide, "Create a signed AWS API request", step 1).
 *
 * @param signedHeaders lower-case names, sorted; one that the request lacks counts as empty
 * @param payloadHash SHA-256 of the payload as hexadecimal, or the text of `x-amz-content-sha256`
 */
export const buildCanonicalRequest = (
  { method, target, headers }: SignableRequest,
  {
    service,
    signedHeaders,
    payloadHash,
  }: { service: string; signedHeaders: readonly string[]; payloadHash: string },
): string => {
  const { path, query } = canonicalizeTarget(target, service);
  let text = `${method}\n${path}\n${query}\n`;
  for (const name of signedHeaders) {
    text += `${name}:${canonicalizeValue(headers.get(name) ?? '')}\n`;
  }
  return `${text}\n${signedHeaders.join(';')}\n${payloadHash}`;
};

/** Builds the text that the signing key signs (the same guide, step 2). */
export const buildStringToSign = (
  canonicalRequest: string,
  { timestamp, scope }: { timestamp: string; scope: CredentialScope },
): string => [ALGORITHM, timestamp, formatScope(scope), sha256(canonicalRequest)].join('\n');

/** The last second that was formatted: calls of one second have the same timestamp. */
let lastFormatted = { second: NaN, text: '' };

/** Formats a time as SigV4 wants it: `20261128T121500Z`. */
export const formatTimestamp = (nowMs: number): string => {
  const second = Math.floor(nowMs / 1000);
  if (lastFormatted.second !== second) lastFormatted = { second, text: formatSecond(nowMs) };
  return lastFormatted.text;
};

const formatSecond = (nowMs: number): string => {
  const text = new Date(nowMs).toISOString();
  const date = `${text.slice(0, 4)}${text.slice(5, 7)}${text.slice(8, 10)}`;
  return `${date}T${text.slice(11, 13)}${text.slice(14, 16)}${text.slice(17, 19)}Z`;
};

/** The last text that was parsed: clients make several calls in a second. */
let lastParsed: { text: string; time: number | undefined } | undefined;

/** @returns milliseconds since the epoch, or undefined for what is no such time */
export const parseTimestamp = (text: string): number | undefined => {
  if (lastParsed?.text !== text) lastParsed = { text, time: parseSecond(text) };
  return lastParsed.time;
};

const parseSecond = (text: string): number | undefined => {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) || formatSecond(time) !== text ? undefined : time;
};
