import type { QueryRules, UpstreamRules } from '../contract/upstream.ts';
import { refuseCall, type CallResult } from './call-request.ts';

/** Where a request of a consumer goes. One raw path serves the decision and the wire. */
export type HttpTarget = {
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path as it is sent, with the Upstream's base path; percent-encoded. */
  readonly path: string;
  /** Path and query as they are sent. */
  readonly wirePath: string;
};

/** A request below the route of a task or of a run. */
export type HttpRoute = {
  readonly kind: 'task' | 'run';
  readonly name: string;
  /** Path and query below the route; begins with a slash, unless it is empty. */
  readonly rest: string;
};

const ROUTE = /^\/([tr])\/([A-Za-z0-9_-]{1,64})(?=[/?]|$)/;

/** Parses `/t/<task>/…` or `/r/<run>/…`. */
export const parseHttpRoute = (url: string): HttpRoute | undefined => {
  const [prefix = '', kind, name] = ROUTE.exec(url) ?? [];
  if (name === undefined) return undefined;
  return { kind: kind === 't' ? 'task' : 'run', name, rest: url.slice(prefix.length) };
};

const MAX_TARGET_LENGTH = 8192;
/** RFC 3986, section 3.3, without `;`, which some servers cut off before they choose a handler. */
const PATH = /^(?:[\w.~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*$/;
/** As a path, and `/`, `?`, `;` and the brackets that clients leave as they are. */
const QUERY = /^(?:[\w.~!$&'()*+,;=:@/?[\]-]|%[0-9A-Fa-f]{2})*$/;
/** RFC 3986, section 2.3: a server that decodes these sees another path than we do. Dots are among them. */
const ENCODED_UNRESERVED = /%(?:2d|2e|5f|7e|3[0-9]|[46][1-9a-f]|[57][0-9a])/i;
/** NUL and other control characters, `%`, `\`, and `;`: harmless to no server. */
const ENCODED_SPECIAL = /%(?:[01][0-9a-f]|7f|25|3b|5c)/i;
const ENCODED_SLASH = /%2f/i;

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

/** @returns what was expected of a path, or undefined if every server reads it as we do */
const findPathFault = (path: string, keepsEncodedSlash: boolean): string | undefined => {
  if (path !== '' && !path.startsWith('/')) return 'a path that begins with a slash';
  if (!PATH.test(path)) return 'a path of percent-encoded characters, without ; and \\';
  if (path.includes('//')) return 'a path without empty segments';
  if (path.split('/').some((part) => part === '.' || part === '..')) {
    return 'a path without dot segments';
  }
  if (ENCODED_UNRESERVED.test(path)) return 'letters, digits, - . _ ~ in a path unencoded';
  if (ENCODED_SPECIAL.test(path)) return 'no encoded control character, %, ; or \\ in a path';
  if (!keepsEncodedSlash && ENCODED_SLASH.test(path)) return 'no encoded slash in a path';
  return decode(path) === undefined ? 'UTF-8 in a path' : undefined;
};

/** Lets a request have another method than that of its request line (Rails, Laravel, Symfony). */
const METHOD_OVERRIDE = '_method';

/**
 * Lists the names of a query. Some servers separate parameters also at `;`, and take `a[b]` and `a.b` for
 * members of `a`.
 */
const listQueryNames = (query: string): readonly (string | undefined)[] =>
  query
    .split(/[&;]/)
    .filter((part) => part !== '')
    .map((part) =>
      decode((part.split('=')[0] ?? '').replaceAll('+', ' '))
        ?.trim()
        .toLowerCase(),
    );

const isNamed = (names: readonly string[], name: string): boolean =>
  names.some((rule) => rule.toLowerCase() === name || rule.toLowerCase() === name.split(/[[.]/)[0]);

/** @returns what was expected of a query; never a value of it */
const findQueryFault = (query: string, { deny, allow }: QueryRules): string | undefined => {
  if (!QUERY.test(query)) return 'percent-encoded characters in the query';
  for (const name of listQueryNames(query)) {
    if (name === undefined) return 'UTF-8 in the names of the query';
    if (isNamed([METHOD_OVERRIDE, ...deny], name)) return 'no query parameter that is denied';
    if (allow !== undefined && !isNamed(allow, name))
      return 'only query parameters that are allowed';
  }
  return undefined;
};

/**
 * Parses what follows the route of a request. What a server could read as another path is refused.
 *
 * @param rest as in {@link HttpRoute}
 */
export const parseHttpTarget = (
  rest: string,
  { url, encodedSlash, query: rules }: Pick<UpstreamRules, 'url' | 'encodedSlash' | 'query'>,
): CallResult<HttpTarget> => {
  if (rest.length > MAX_TARGET_LENGTH) {
    return refuseCall('request_malformed', `expected a path of at most ${MAX_TARGET_LENGTH} bytes`);
  }
  const mark = rest.indexOf('?');
  const below = mark < 0 ? rest : rest.slice(0, mark);
  const query = mark < 0 ? '' : rest.slice(mark + 1);
  const fault = findPathFault(below, encodedSlash === 'keep') ?? findQueryFault(query, rules);
  if (fault !== undefined) return refuseCall('request_malformed', `expected ${fault}`);
  const { origin, pathname } = new URL(url);
  const path = `${pathname.replace(/\/$/, '')}${below}` || '/';
  const wirePath = query === '' ? path : `${path}?${query}`;
  return { ok: true, value: { origin, path, wirePath } };
};

/** Splits the query into its parameters, as they are sent and in their order; one without `=` has an empty value. */
export const splitQuery = ({
  wirePath,
}: Pick<HttpTarget, 'wirePath'>): readonly (readonly [name: string, value: string])[] => {
  const mark = wirePath.indexOf('?');
  return (mark < 0 ? '' : wirePath.slice(mark + 1))
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.includes('=') ? part.indexOf('=') : part.length;
      return [part.slice(0, equals), part.slice(equals + 1)];
    });
};
