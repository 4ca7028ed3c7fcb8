import {
  DEFAULT_UPSTREAM_BODY,
  MAX_TOOL_PINS,
  TOOL_NAME,
  HTTP_METHODS,
  MAX_UPSTREAM_BODY,
  UPSTREAM_LEVELS,
  UPSTREAM_PROTOCOLS,
} from '../contract/upstream.ts';
import { LOCAL_TOKEN_HEADERS } from '../contract/upstream.ts';
import { UPSTREAMS } from '../contract/authority-api.ts';
import { certificateBundle } from '../config/certificate-bundle.ts';
import { withDefault, withEmptyDefault } from '../config/defaults.ts';
import { fail, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { isMapping } from '../schema/mapping.ts';
import {
  boolean,
  dnsLabel,
  integer,
  list,
  object,
  read,
  record,
  string,
  stringEnum,
} from '../schema/reader.ts';
import { baseUrl, byteSize, headerName, headerValue, pathPattern, secretKey } from './fields.ts';
import { presentation, secretSource } from './secret-source-schema.ts';
import type { HttpUpstream, PostgresUpstream, Upstream } from './upstream.ts';

const level = stringEnum(UPSTREAM_LEVELS);
const method = stringEnum(HTTP_METHODS);
const visible = (expected: string, maxLength: number) =>
  string({ expected, pattern: /^[!-~]+$/, maxLength });
const queryName = visible('the name of a query parameter', 128);

const httpSpec = object({
  url: baseUrl,
  protocol: withDefault(stringEnum(UPSTREAM_PROTOCOLS), 'http'),
  present: { optional: presentation },
  secret: { optional: secretSource },
  levels: withDefault(list(object({ method, path: pathPattern, level }), { max: 64 }), []),
  tools: withDefault(
    list(
      object({
        name: string({ expected: 'the name of a tool', pattern: TOOL_NAME }),
        digest: string({
          expected: 'sha256: and 64 hexadecimal digits',
          pattern: /^sha256:[0-9a-f]{64}$/,
        }),
        level: { optional: level },
      }),
      { min: 1, max: MAX_TOOL_PINS },
    ),
    [],
  ),
  mcp: { optional: object({ serverRequests: withDefault(boolean, false) }) },
  headers: withEmptyDefault(
    object({
      pass: withDefault(list(headerName, { max: 32 }), []),
      set: withDefault(record(headerName, headerValue), {}),
    }),
  ),
  query: withEmptyDefault(
    object({
      deny: withDefault(list(queryName, { max: 64 }), []),
      allow: { optional: list(queryName, { max: 64 }) },
    }),
  ),
  encodedSlash: withDefault(stringEnum(['refuse', 'keep']), 'refuse'),
  models: { optional: list(visible('the name of a model', 128), { min: 1, max: 64 }) },
  caBundle: { optional: certificateBundle },
  allowHttp: withDefault(boolean, false),
  privateAddresses: withDefault(boolean, false),
  maxBody: withDefault(byteSize({ min: 1024, max: MAX_UPSTREAM_BODY }), DEFAULT_UPSTREAM_BODY),
});

const postgresSpec = object({
  postgres: object({
    host: string({
      expected: 'a host name or an address',
      pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
    }),
    port: withDefault(integer({ min: 1, max: 65_535 }), 5432),
    caBundle: { optional: certificateBundle },
    admin: object(secretKey),
    templates: list(
      object({
        role: string({ expected: 'a role in lower case', pattern: /^[a-z_][a-z0-9_]{0,62}$/ }),
        level: stringEnum(['Read', 'Write']),
      }),
      { min: 1, max: 32 },
    ),
  }),
});

type ReadResult<R> = R extends (...given: never[]) => infer T ? Exclude<T, symbol> : never;
type HttpSpec = ReadResult<typeof httpSpec>;
type PostgresSpec = ReadResult<typeof postgresSpec>;

const findRepeated = (names: readonly string[]): string | undefined =>
  names.find((name, index) => names.indexOf(name) !== index);

/** Checks what the members of an HTTP Upstream say together. */
const checkHttpSpec = (spec: HttpSpec): readonly FieldError[] => {
  const { url, protocol, present, secret, levels, tools, headers, query, models, mcp } = spec;
  const presented = present?.kind === 'header' ? present.name : 'authorization';
  const isMcp = protocol === 'mcp';
  const when = (isFault: boolean, got: string): string | undefined => (isFault ? got : undefined);
  /** Path, what is expected there, and what was found if it is wrong. */
  const rows: readonly (readonly [string, string, string | undefined])[] = [
    [
      'url',
      'https, or allowHttp: true',
      when(!url.startsWith('https:') && !spec.allowHttp, 'http'),
    ],
    ['present', 'present and secret together', when(!present !== !secret, 'one of them')],
    ['secret', `a secret for protocol ${protocol}`, when(!present && !secret && !isMcp, 'nothing')],
    ['tools', 'no tools, or protocol mcp', when(tools.length > 0 && !isMcp, protocol)],
    ['mcp', 'no mcp, or protocol mcp', when(!!mcp && !isMcp, protocol)],
    ['tools', 'each tool once', findRepeated(tools.map(({ name }) => name))],
    ['models', 'no models, or protocol http', when(!!models && protocol !== 'http', protocol)],
    [
      'levels',
      'no levels of methods and paths, or protocol http',
      when(levels.length > 0 && protocol !== 'http', protocol),
    ],
    [
      'headers.pass',
      'no header that presents a secret or a token',
      headers.pass.find((name) => name === presented || LOCAL_TOKEN_HEADERS.includes(name)),
    ],
    [
      'headers.set',
      'no header that presents the secret',
      Object.keys(headers.set).find((name) => name.toLowerCase() === presented),
    ],
    [
      'headers.set',
      'each header once, in any case',
      findRepeated(Object.keys(headers.set).map((name) => name.toLowerCase())),
    ],
    [
      'query',
      'a name in allow or in deny, not in both',
      query.allow?.find((name) => query.deny.includes(name)),
    ],
  ];
  return rows.flatMap(([path, expected, got]) =>
    got === undefined ? [] : [{ path, expected, got }],
  );
};

const toHttpUpstream = (name: string, spec: HttpSpec): HttpUpstream => {
  const { present, secret, levels, tools, maxBody, mcp, headers, ...rules } = spec;
  const set = Object.entries(headers.set).map(([key, text]) => [key.toLowerCase(), text]);
  const pins = tools.map(({ name: tool, digest }) => ({ name: tool, digest }));
  const mcpRules = {
    serverRequests: mcp?.serverRequests ?? false,
    ...(pins.length > 0 && { tools: pins }),
  };
  return {
    kind: 'http',
    name,
    rules: {
      name,
      ...rules,
      headers: { ...headers, set: Object.fromEntries(set) as Record<string, string> },
      ...(rules.protocol === 'mcp' && { mcp: mcpRules }),
      maxBodyBytes: maxBody,
    },
    ...(present && secret ? { access: { present, secret } } : {}),
    levels,
    tools,
  };
};

const checkPostgresSpec = ({ postgres }: PostgresSpec): readonly FieldError[] => {
  const repeated = findRepeated(postgres.templates.map(({ role }) => role));
  return repeated === undefined
    ? []
    : [{ path: 'postgres.templates', expected: 'each role once', got: repeated }];
};

const parseHttp = (name: string, spec: unknown): Result<HttpUpstream> => {
  const result = read(httpSpec, spec);
  if (!result.ok) return result;
  const faults = checkHttpSpec(result.value);
  return faults.length > 0 ? fail(faults) : succeed(toHttpUpstream(name, result.value));
};

const parsePostgres = ({ name, uid }: ObjectIdentity, spec: unknown): Result<PostgresUpstream> => {
  const result = read(postgresSpec, spec);
  if (!result.ok) return result;
  const faults = checkPostgresSpec(result.value);
  return faults.length > 0
    ? fail(faults)
    : succeed({
        kind: 'postgres',
        name,
        ...(uid !== undefined && { uid }),
        ...result.value.postgres,
      });
};

type ObjectIdentity = { readonly name: string; readonly uid?: string | undefined };

const parseSpec = (identity: ObjectIdentity, spec: unknown): Result<Upstream> =>
  isMapping(spec) && Object.hasOwn(spec, 'postgres') && !Object.hasOwn(spec, 'url')
    ? parsePostgres(identity, spec)
    : parseHttp(identity.name, spec);

/**
 * Parses an Upstream as the API server stores it.
 *
 * @returns all field errors with source `upstreams/<name>` and paths below `spec`
 */
export const parseUpstream = (found: unknown): Result<Upstream> => {
  const { metadata, spec } = isMapping(found) ? found : {};
  const name = isMapping(metadata) ? metadata['name'] : undefined;
  const named = read(dnsLabel, name, 'metadata.name');
  const uid = isMapping(metadata) ? metadata['uid'] : undefined;
  const identity = {
    name: named.ok ? named.value : '',
    uid: typeof uid === 'string' ? uid : undefined,
  };
  const parsed = parseSpec(identity, spec);
  if (named.ok && parsed.ok) return parsed;
  const faults = parsed.ok
    ? []
    : parsed.faults.map((fault) => ({ ...fault, path: join(fault.path) }));
  const source = `${UPSTREAMS}/${typeof name === 'string' ? name : ''}`;
  return fail(
    [...(named.ok ? [] : named.faults), ...faults].map((fault) => ({ ...fault, source })),
  );
};

const join = (path: string): string => (path === '(root)' ? 'spec' : `spec.${path}`);
