import {
  CREDENTIALS_TYPE,
  DELEGATION_HANDLE,
  GATES,
  HTTP_HEADERS_TYPE,
  POSTGRES_LOGIN_TYPE,
  RELEASE,
  TASK_DETAILS_TYPE,
  type ContainerCredentials,
  type DelegationResponse,
  MAX_CHAIN,
  MAX_GATES,
  type Gate,
  type RunDecision,
  type TaskDetails,
  type TokenResponse,
  type TokenErrorResponse,
} from '../../contract/authority-api.ts';
import {
  MAX_UPSTREAM_BODY,
  UPSTREAM_PROTOCOLS,
  type HttpSecret,
  type PostgresSecret,
} from '../../contract/upstream.ts';
import { fail, type Result } from '../../schema/field-error.ts';
import {
  boolean,
  dnsLabel,
  integer,
  list,
  object,
  stringEnum,
  read,
  record,
  rejectValue,
  string,
  value,
  type Reader,
} from '../../schema/reader.ts';

/** A time since 2001 by the authority's clock, milliseconds since the epoch. */
const timestamp = integer({ min: 1e12, max: Number.MAX_SAFE_INTEGER });
const amount = value(
  'a number',
  (given): given is number => typeof given === 'number' && Number.isFinite(given),
);
const MAX_TEXT_LENGTH = 4096;

/** The field error never contains the value. */
const secret =
  (pattern: RegExp): Reader<string> =>
  (given, path, faults) =>
    typeof given === 'string' && pattern.test(given)
      ? given
      : rejectValue(faults, {
          path,
          expected: 'a secret of the expected format',
          value: '(not shown)',
        });

const text = string({ expected: 'text', maxLength: MAX_TEXT_LENGTH });

const details: Reader<TaskDetails> = lenientObject({
  type: stringEnum([TASK_DETAILS_TYPE]),
  task: text,
  consumer: text,
  params: record(string({ expected: 'a param', pattern: /^[^]+$/ }), text),
  purpose: { optional: text },
});

const pattern = string({ expected: 'a pattern', maxLength: 16 * 1024 });
/** A gate of an unknown kind comes from a newer authority: the run could not be enforced. */
const gates: Reader<readonly Gate[]> = list(
  lenientObject({
    gate: stringEnum(GATES),
    actions: list(text, { min: 1 }),
    like: { optional: list(pattern, { min: 1 }) },
    policies: list(text),
  }),
  // Of policies, and one of canaries.
  { max: MAX_GATES + 1 },
);
const version = string({ expected: 'a version', maxLength: 128 });

const runId = string({ expected: 'a run', pattern: /^[A-Za-z0-9_-]{1,64}$/ });
const names = list(text, { min: 1 });

const tokenResponse: Reader<TokenResponse> = lenientObject({
  access_token: secret(/^[\w-]+$/),
  issued_token_type: stringEnum([CREDENTIALS_TYPE, HTTP_HEADERS_TYPE, POSTGRES_LOGIN_TYPE]),
  token_type: stringEnum(['N_A']),
  expires_in: integer({ min: 0, max: 86_400 }),
  authorization_details: list(details, { min: 1, max: 1 }),
  run: runId,
  deadline_ms: timestamp,
  answered_at_ms: timestamp,
  cloud_skew_ms: amount,
  packed_policy_percent: { optional: amount },
  release: { optional: secret(RELEASE) },
  fixed_key: { optional: boolean },
  ticket: { optional: secret(/^vk\d\.[\w.-]{1,16380}$/) },
  gates: { optional: gates },
  policy_version: { optional: version },
  approved: { optional: value('true', (given): given is true => given === true) },
  allow: { optional: list(lenientObject({ actions: names, resources: names }), { min: 1 }) },
  ancestors: { optional: list(runId, { min: 1, max: MAX_CHAIN }) },
});

const credentials: Reader<ContainerCredentials> = lenientObject({
  AccessKeyId: secret(/^[!-~]{1,128}$/),
  SecretAccessKey: secret(/^[!-~]{1,256}$/),
  Token: secret(/^[!-~]{1,16384}$/),
  Expiration: string({ expected: 'a time', pattern: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ }),
});

const name = string({ expected: 'a name', pattern: /^[!-~]{1,256}$/ });
const headerName = string({ expected: 'a header', pattern: /^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/ });
const digest = string({ expected: 'a digest', pattern: /^sha256:[0-9a-f]{64}$/ });
/** 64 KiB: a certificate bundle. */
const longText = string({ expected: 'text', maxLength: 64 * 1024 });

const httpSecret: Reader<HttpSecret> = lenientObject({
  kind: stringEnum(['http']),
  headers: record(headerName, secret(/^[ -~]{1,24576}$/)),
  echoes: list(secret(/^[ -~]{1,16384}$/), { max: 8 }),
  upstream: lenientObject({
    name,
    url: string({ expected: 'a URL', pattern: /^https?:\/\/[!-~]{1,2048}$/ }),
    protocol: stringEnum(UPSTREAM_PROTOCOLS),
    headers: lenientObject({
      pass: list(headerName, { max: 64 }),
      set: record(headerName, text),
    }),
    query: lenientObject({
      deny: list(name, { max: 64 }),
      allow: { optional: list(name, { max: 64 }) },
    }),
    encodedSlash: stringEnum(['refuse', 'keep']),
    models: { optional: list(name, { max: 64 }) },
    mcp: {
      optional: lenientObject({
        serverRequests: boolean,
        tools: { optional: list(lenientObject({ name, digest }), { min: 1, max: 256 }) },
      }),
    },
    caBundle: { optional: longText },
    allowHttp: boolean,
    privateAddresses: boolean,
    maxBodyBytes: integer({ min: 1, max: MAX_UPSTREAM_BODY }),
  }),
});

const postgresSecret: Reader<PostgresSecret> = lenientObject({
  kind: stringEnum(['postgres']),
  upstream: name,
  host: string({ expected: 'a host', pattern: /^[a-z0-9.-]{1,253}$/ }),
  port: integer({ min: 1, max: 65_535 }),
  user: string({ expected: 'a role', pattern: /^[a-z0-9_]{1,63}$/ }),
  password: secret(/^[!-~]{16,256}$/),
  caBundle: { optional: longText },
});

const ERRORS = [
  'invalid_request',
  'invalid_grant',
  'invalid_authorization_details',
  'unsupported_grant_type',
  'access_denied',
  'slow_down',
  'temporarily_unavailable',
  'server_error',
] as const satisfies readonly TokenErrorResponse['error'][];

const pendingApproval = lenientObject({
  namespace: dnsLabel,
  name: string({ expected: 'a name', pattern: /^[a-z0-9-]{1,63}$/ }),
  groups: list(dnsLabel, { max: 8 }),
  expires_in: integer({ min: 0, max: 86_400 }),
  interval: integer({ min: 1, max: 300 }),
  hold: { optional: integer({ min: 1, max: 60 }) },
});

const tokenErrorResponse: Reader<TokenErrorResponse> = lenientObject({
  error: stringEnum(ERRORS),
  error_description: text,
  reason: string({ expected: 'a code', pattern: /^\w{1,64}$/ }),
  policies: { optional: list(string({ expected: 'a policy', maxLength: 512 }), { max: 256 }) },
  approval: { optional: pendingApproval },
});

/**
 * Reads an object with these members. Other members come from a newer authority and are ignored
 * (RFC 6749, section 5.1).
 */
export function lenientObject<F extends Parameters<typeof object>[0]>(
  members: F,
): ReturnType<typeof object<F>> {
  const strict = object(members);
  return (given, path, faults) =>
    strict(typeof given === 'object' ? pickMembers(members, given) : given, path, faults);
}

const pickMembers = (members: object, given: object | null): unknown =>
  given === null || Array.isArray(given)
    ? given
    : Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(members, name)));

/** Reads a token response from JSON. Each field error names its member; none contains a secret. */
export const readTokenResponse = (body: string): Result<TokenResponse> =>
  readJson(tokenResponse, body);

const runDecision: Reader<RunDecision> = lenientObject({ gates, policy_version: version });

/** Reads what policy decided again about a run. */
export const readRunDecision = (body: string): Result<RunDecision> => readJson(runDecision, body);

const delegationResponse: Reader<DelegationResponse> = lenientObject({
  handle: secret(DELEGATION_HANDLE),
  expires_at_ms: timestamp,
});

/** Reads the handle of a delegation. */
export const readDelegationResponse = (body: string): Result<DelegationResponse> =>
  readJson(delegationResponse, body);

/** Reads the credentials in `access_token`. */
export const readCredentials = ({ access_token }: TokenResponse): Result<ContainerCredentials> =>
  readJson(credentials, Buffer.from(access_token, 'base64url').toString('utf8'));

/** Reads the headers of a run in `access_token`. */
export const readHttpSecret = ({ access_token }: TokenResponse): Result<HttpSecret> =>
  readJson(httpSecret, Buffer.from(access_token, 'base64url').toString('utf8'));

/** Reads the login of a run in `access_token`. */
export const readPostgresSecret = ({ access_token }: TokenResponse): Result<PostgresSecret> =>
  readJson(postgresSecret, Buffer.from(access_token, 'base64url').toString('utf8'));

export const readTokenErrorResponse = (body: string): Result<TokenErrorResponse> =>
  readJson(tokenErrorResponse, body);

const readJson = <T>(reader: Reader<T>, body: string): Result<T> => {
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return fail([{ path: '(root)', expected: 'JSON', got: 'other text' }]);
  }
  return read(reader, given);
};
