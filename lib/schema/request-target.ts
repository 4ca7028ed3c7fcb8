/** Path and query of a request, decoded once: decision, signature and wire all derive from this. */
export type RequestTarget = {
  /** As on the wire, percent-encoded; begins with a slash. */
  readonly path: string;
  readonly decodedPath: string;
  /** Decoded names and values. `?acl` and `?acl=` are equal, as for every cloud. */
  readonly parameters: ReadonlyMap<string, string>;
};

/** The target, or why it is refused; the reason never holds a value of the query. */
export type RequestTargetResult =
  | { readonly ok: true; readonly target: RequestTarget }
  | { readonly ok: false; readonly reason: string };

/** RFC 3986, section 3.3: `pchar`, the slash and percent-encoded octets. */
const PATH = /^\/(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$/;
/** As a path, and `/` and `?`. A plus is left out: some readers take it for a space. */
const QUERY = /^(?:[\w.~!$&'()*,;=:@/?-]|%[0-9A-Fa-f]{2})*$/;

const refuse = (reason: string): RequestTargetResult => ({ ok: false, reason });

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

const decodeParameter = (parameter: string): [string, string] | undefined => {
  const equals = parameter.indexOf('=');
  const name = decode(equals < 0 ? parameter : parameter.slice(0, equals));
  const value = equals < 0 ? '' : decode(parameter.slice(equals + 1));
  return name === undefined || value === undefined || name === '' ? undefined : [name, value];
};

/** @returns the parameters, or the reason of a refusal */
const parseQuery = (query: string): ReadonlyMap<string, string> | string => {
  const parameters = new Map<string, string>();
  if (query === '') return parameters;
  if (!QUERY.test(query)) {
    return 'expected percent-encoded characters in the query (a plus as %2B, a space as %20)';
  }
  for (const part of query.split('&')) {
    const parameter = decodeParameter(part);
    if (parameter === undefined) return 'expected UTF-8 names and values in the query';
    if (parameters.has(parameter[0])) return 'expected each query parameter once';
    parameters.set(...parameter);
  }
  return parameters;
};

/**
 * Parses the request target of an AWS request (RFC 9112, section 3.2.1: origin form). What two readers
 * could understand differently is refused: the absolute form, fragments, characters that are not
 * percent-encoded, invalid UTF-8, repeated parameters.
 */
export const parseRequestTarget = (text: string): RequestTargetResult => {
  const mark = text.indexOf('?');
  const path = mark < 0 ? text : text.slice(0, mark);
  if (!path.startsWith('/')) return refuse('expected a path that begins with a slash');
  if (!PATH.test(path)) return refuse('expected only percent-encoded characters in the path');
  const decodedPath = decode(path);
  if (decodedPath === undefined) return refuse('expected UTF-8 in the path');
  const parameters = parseQuery(mark < 0 ? '' : text.slice(mark + 1));
  return typeof parameters === 'string'
    ? refuse(parameters)
    : { ok: true, target: { path, decodedPath, parameters } };
};
