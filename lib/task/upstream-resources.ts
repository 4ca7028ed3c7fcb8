import type { TaskProtocol } from '../contract/upstream.ts';
import { rejectValue, type Reader } from '../schema/reader.ts';

const MAX_RESOURCE_LENGTH = 1600;
/** `{param}` */
const PLACEHOLDER = String.raw`\{[a-z][A-Za-z0-9_]{0,31}\}`;
const DNS_LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;

const hasEmptySegment = (path: string): boolean => /^\/|\/\/|\/$/.test(path);

/** Scheme and host; the path with percent-encoded characters, `*` and `{param}`. No query, no fragment. */
const HTTP_RESOURCE = /^(https?:\/\/[a-z0-9.:[\]-]+)(\/.*)$/;
const HTTP_PATH = new RegExp(`^(?:[\\w.~!$&'()*+,=:@/-]|%[0-9A-F]{2}|${PLACEHOLDER})+$`);

const isOrigin = (text: string): boolean => {
  const url = URL.parse(text);
  return url !== null && url.origin === text;
};

const isHttpResource = (text: string): boolean => {
  const [, origin = '', path = ''] = HTTP_RESOURCE.exec(text) ?? [];
  return (
    isOrigin(origin) && HTTP_PATH.test(path) && !path.includes('//') && !DOT_SEGMENT.test(path)
  );
};

const GIT_RESOURCE = new RegExp(`^git://${DNS_LABEL}/([^#]+)(?:#(.*))?$`);
const REPOSITORY = new RegExp(`^(?:[\\w.~*/-]|${PLACEHOLDER})+$`);
/** Characters of git-check-ref-format within ASCII, without those that are special in JSON and patterns. */
const REF = new RegExp(`^refs/(?:[\\w.!$%&'()+,;<=>@#|*/-]|${PLACEHOLDER})+$`);
/** What git-check-ref-format refuses: no command of a push could name such a ref. */
const BROKEN_REF = /\.\.|@\{|(?:^|\/)\.|\.lock(?:\/|$)|\.$/;

/** The gateway takes `.git` from the end of a repository's path. */
const isRepository = (path: string): boolean =>
  REPOSITORY.test(path) &&
  !hasEmptySegment(path) &&
  !DOT_SEGMENT.test(path) &&
  !path.endsWith('.git');

const isRefPattern = (ref: string): boolean =>
  REF.test(ref) && !hasEmptySegment(ref) && !BROKEN_REF.test(ref);

const isGitResource = (text: string): boolean => {
  const [, repository = '', ref] = GIT_RESOURCE.exec(text) ?? [];
  return isRepository(repository) && (ref === undefined || isRefPattern(ref));
};

const MCP_RESOURCE = new RegExp(`^mcp://${DNS_LABEL}/(tools|resources|prompts)/(.+)$`);
/** What `encodeMcpName` of `lib/mcp` leaves as it is, and its encoding of everything else. */
const MCP_NAME = new RegExp(`^(?:[\\w.~:/@!$&'()+,;=*-]|%[0-9A-F]{2}|${PLACEHOLDER})+$`);
/** Encoded characters that the encoding leaves as they are: no name has them encoded. */
const NEEDLESS_ENCODING = /%(?:2[146-9B-F]|3[0-9ABD]|4[0-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])/;

const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
};

/** The gateway refuses URIs that a server could resolve to others, however often it decodes them. */
const isPlainUri = (uri: string): boolean => {
  const decoded = /%(?:25|2e|2f|5c)/i.test(uri) ? undefined : decode(uri);
  return (
    decoded !== undefined &&
    !/(?:^|\/)\.{1,2}(?:[/?#]|$)/.test(decoded) &&
    !`${uri}${decoded}`.includes('\\')
  );
};

const isMcpResource = (text: string): boolean => {
  const [, kind, pattern = ''] = MCP_RESOURCE.exec(text) ?? [];
  if (!MCP_NAME.test(pattern) || NEEDLESS_ENCODING.test(pattern)) return false;
  const name = decode(pattern.replace(PLACEHOLDERS, 'x'));
  return name !== undefined && (kind !== 'resources' || isPlainUri(name));
};
const PLACEHOLDERS = new RegExp(PLACEHOLDER, 'g');

const POSTGRES_RESOURCE = new RegExp(`^postgres://${DNS_LABEL}/(?:[\\w.*-]|${PLACEHOLDER})+$`);

const FORMS: Readonly<
  Record<TaskProtocol, { readonly expected: string; readonly accepts: (text: string) => boolean }>
> = {
  http: {
    expected:
      'a URL such as https://api.example.com/v1/items/{item}, in normal form and without a query',
    accepts: isHttpResource,
  },
  git: {
    expected:
      'git://<upstream>/<owner>/<repository> without .git at its end, for pushes also #refs/heads/agent/*',
    accepts: isGitResource,
  },
  mcp: {
    expected:
      'mcp://<upstream>/<tools, resources or prompts>/<name>, special characters of the name percent-encoded',
    accepts: isMcpResource,
  },
  postgres: {
    expected: 'postgres://<upstream>/<database>',
    accepts: (text) => POSTGRES_RESOURCE.test(text),
  },
};

/** The protocol whose resources have the scheme of this text. */
export const readResourceProtocol = (text: string): TaskProtocol => {
  const [, scheme] = /^(git|mcp|postgres):/.exec(text) ?? [];
  return (scheme as TaskProtocol | undefined) ?? 'http';
};

/** A message shows no password that an author wrote here. */
const USERINFO = /^[a-z]+:\/\/[^/]*@/i;

/** Creates a reader of the form of a resource; that it is the Upstream's is checked with it. */
export const createUpstreamResourceReader =
  (protocol: TaskProtocol): Reader<string> =>
  (given, path, faults) => {
    const { expected, accepts } = FORMS[protocol];
    const text = typeof given === 'string' && given.length <= MAX_RESOURCE_LENGTH ? given : '';
    if (accepts(text)) return text;
    const value = USERINFO.test(text) ? 'a URL with a user' : given;
    return rejectValue(faults, { path, expected, value });
  };

/** Reads the form of a resource of any of these protocols. */
export const createAnyResourceReader =
  (protocols: readonly TaskProtocol[]): Reader<string> =>
  (given, path, faults) => {
    const named = typeof given === 'string' ? readResourceProtocol(given) : undefined;
    const protocol = protocols.find((each) => each === named) ?? protocols[0] ?? 'http';
    return createUpstreamResourceReader(protocol)(given, path, faults);
  };
