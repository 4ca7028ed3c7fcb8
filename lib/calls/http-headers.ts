import { LOCAL_TOKEN_HEADERS, type UpstreamRules } from '../contract/upstream.ts';
import { refuseCall, type CallResult } from './call-request.ts';

/** Request headers that pass to every upstream. None of them says who asks, or for which account. */
const PASSED = new Set([
  'accept',
  'anthropic-beta',
  'anthropic-version',
  'content-encoding',
  'content-type',
  'git-protocol',
  'idempotency-key',
  'last-event-id',
  'range',
  'user-agent',
]);
const PASSED_PREFIXES = ['if-', 'x-stainless-', 'mcp-'];

/** Of the connection, of framing, and of cookies. */
const NEVER_PASSED = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'cookie',
  'expect',
  'host',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Headers whose repetition means the same as one list (RFC 9110, section 5.3). */
const LISTS = new Set(['accept', 'accept-encoding', 'accept-language', 'anthropic-beta']);

/**
 * Reads the headers of a request by lower-case name. A repeated header that is no list is refused: two
 * readers could choose different values.
 *
 * @param rawHeaders names and values in turn, as received
 */
export const readHttpHeaders = (
  rawHeaders: readonly string[],
): CallResult<ReadonlyMap<string, string>> => {
  const headers = new Map<string, string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    const value = rawHeaders[index + 1] ?? '';
    const before = headers.get(name);
    if (before !== undefined && !LISTS.has(name)) {
      return refuseCall('request_malformed', `expected the header ${name} once`);
    }
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers.has('content-length') && headers.has('transfer-encoding')
    ? refuseCall('request_malformed', 'expected Content-Length or Transfer-Encoding, not both')
    : { ok: true, value: headers };
};

const isPassed = (name: string, pass: readonly string[]): boolean =>
  !LOCAL_TOKEN_HEADERS.includes(name) &&
  !NEVER_PASSED.has(name) &&
  !name.startsWith('proxy-') &&
  (PASSED.has(name) ||
    PASSED_PREFIXES.some((start) => name.startsWith(start)) ||
    pass.includes(name));

/**
 * Selects the headers of a request that go to the upstream, and adds those that present the secret.
 *
 * @param secret headers of the run's secret
 */
export const selectHttpRequestHeaders = (
  headers: ReadonlyMap<string, string>,
  { pass, set }: UpstreamRules['headers'],
  secret: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> =>
  new Map([
    ...[...headers].filter(([name]) => isPassed(name, pass)),
    // The scanner of answers must see them as they are.
    ['accept-encoding', 'identity'],
    ...Object.entries(set),
    ...Object.entries(secret),
  ]);

/** Passed headers that say nothing about what a request does, or that clients fill again for each try. */
const INSIGNIFICANT = /^(?:user-agent$|idempotency-key$|x-stainless-)/;

/** Selects the headers of a request that the upstream gets and that are part of what the request does. */
export const selectHttpContentHeaders = (
  headers: ReadonlyMap<string, string>,
  { pass }: Pick<UpstreamRules['headers'], 'pass'>,
): ReadonlyMap<string, string> =>
  new Map(
    [...headers].filter(
      ([name]) => isPassed(name, pass) && (pass.includes(name) || !INSIGNIFICANT.test(name)),
    ),
  );

const ANSWERED = new Set([
  'accept-ranges',
  'age',
  'allow',
  'cache-control',
  'content-disposition',
  'content-language',
  'content-length',
  'content-range',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'link',
  'location',
  'request-id',
  'retry-after',
  'server-timing',
  'vary',
  'www-authenticate',
]);
const ANSWERED_PREFIXES = ['x-', 'openai-', 'anthropic-', 'ratelimit-', 'mcp-'];

/** The first could pass for a header of the gateway; the others act on proxies between. */
const NOT_ANSWERED_PREFIXES = ['x-valetkey-', 'x-accel-', 'x-sendfile', 'x-forwarded-'];

const isAnswered = (name: string): boolean =>
  (ANSWERED.has(name) || ANSWERED_PREFIXES.some((start) => name.startsWith(start))) &&
  !NOT_ANSWERED_PREFIXES.some((start) => name.startsWith(start));

/** What an answer needs of the request that it answers. */
export type AnsweredRequest = {
  /** URL of the request at the upstream. */
  readonly requestUrl: string;
  /** Origin and base path of the Upstream. */
  readonly upstreamUrl: string;
  /** Route of the client: `/t/<task>` or `/r/<run>`. */
  readonly route: string;
};

const isBelow = (path: string, base: string): boolean =>
  base === '/' || path === base || path.startsWith(`${base}/`);

/**
 * Rewrites a `Location` for the client's base URL, as a reference that is relative to the gateway.
 *
 * @returns undefined for another origin, and for a path outside the Upstream's base path
 */
export const rewriteLocation = (
  location: string,
  { requestUrl, upstreamUrl, route }: AnsweredRequest,
): string | undefined => {
  const target = URL.parse(location, requestUrl);
  const upstream = new URL(upstreamUrl);
  const base = upstream.pathname.replace(/(?<=.)\/$/, '');
  if (target?.origin !== upstream.origin || `${target.username}${target.password}` !== '') {
    return undefined;
  }
  if (!isBelow(target.pathname, base)) return undefined;
  const below = base === '/' ? target.pathname : target.pathname.slice(base.length);
  return `${route}${below}${target.search}${target.hash}`;
};

/** Headers as a client of Node's HTTP returns them. */
type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Selects the headers of an answer that go to the client.
 *
 * @param headers lower-case names
 * @returns `redirect_refused` for a redirect to another origin; `upstream_untrusted` for a compressed
 *   body, in which a secret would not be seen
 */
export const selectHttpResponseHeaders = (
  headers: AnswerHeaders,
  answered: AnsweredRequest,
): CallResult<Record<string, string | string[]>> => {
  const encoding = String(headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding !== 'identity' && encoding !== '') {
    return refuseCall('upstream_untrusted', 'expected an answer without content encoding');
  }
  const selected: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && isAnswered(name)) selected[name] = value;
  }
  const { location } = headers;
  if (location === undefined) return { ok: true, value: selected };
  const rewritten = typeof location === 'string' ? rewriteLocation(location, answered) : undefined;
  if (rewritten === undefined) {
    return refuseCall('redirect_refused', 'the upstream answered with a location elsewhere');
  }
  return { ok: true, value: { ...selected, location: rewritten } };
};
