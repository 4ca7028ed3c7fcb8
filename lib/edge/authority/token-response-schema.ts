import {
  CREDENTIALS_TYPE,
  TASK_DETAILS_TYPE,
  type ContainerCredentials,
  type TaskDetails,
  type TokenResponse,
  type TokenErrorResponse,
} from '../../contract/authority-api.ts';
import { fail, type Result } from '../../schema/field-error.ts';
import {
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

/** Of the answer's own clock: some moment from 2001 on, in milliseconds. */
const moment = integer({ min: 1e12, max: Number.MAX_SAFE_INTEGER });
const amount = value(
  'a number',
  (given): given is number => typeof given === 'number' && Number.isFinite(given),
);
const MAX_TEXT_LENGTH = 4096;

/** What is secret is not shown, not even in the fault that it is none. */
const secret =
  (pattern: RegExp): Reader<string> =>
  (given, path, faults) =>
    typeof given === 'string' && pattern.test(given)
      ? given
      : rejectValue(faults, { path, expected: 'what is not shown here', value: '(not shown)' });

const text = string({ expected: 'text', maxLength: MAX_TEXT_LENGTH });

const details: Reader<TaskDetails> = lenientObject({
  type: stringEnum([TASK_DETAILS_TYPE]),
  task: text,
  consumer: text,
  params: record(string({ expected: 'a param', pattern: /^[^]+$/ }), text),
  purpose: { optional: text },
});

const tokenResponse: Reader<TokenResponse> = lenientObject({
  access_token: secret(/^[\w-]+$/),
  issued_token_type: stringEnum([CREDENTIALS_TYPE]),
  token_type: stringEnum(['N_A']),
  expires_in: integer({ min: 0, max: 86_400 }),
  authorization_details: list(details, { min: 1, max: 1 }),
  run: string({ expected: 'a run', pattern: /^[A-Za-z0-9_-]{1,64}$/ }),
  deadline_ms: moment,
  answered_at_ms: moment,
  cloud_skew_ms: amount,
  packed_policy_percent: { optional: amount },
});

const credentials: Reader<ContainerCredentials> = lenientObject({
  AccessKeyId: secret(/^[!-~]{1,128}$/),
  SecretAccessKey: secret(/^[!-~]{1,256}$/),
  Token: secret(/^[!-~]{1,16384}$/),
  Expiration: string({ expected: 'a time', pattern: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ }),
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

const tokenErrorResponse: Reader<TokenErrorResponse> = lenientObject({
  error: stringEnum(ERRORS),
  error_description: text,
  reason: string({ expected: 'a code', pattern: /^\w{1,64}$/ }),
  policies: { optional: list(string({ expected: 'a policy', maxLength: 512 }), { max: 256 }) },
});

/**
 * An object of these members. What else there is comes from an authority that is newer than this
 * sidecar, and is ignored (RFC 6749, section 5.1).
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

/** The answer as text; every fault names its member, none shows a secret. */
export const readTokenResponse = (body: string): Result<TokenResponse> =>
  readJson(tokenResponse, body);

/** What `access_token` holds. */
export const readCredentials = ({ access_token }: TokenResponse): Result<ContainerCredentials> =>
  readJson(credentials, Buffer.from(access_token, 'base64url').toString('utf8'));

export const readTokenErrorResponse = (body: string): Result<TokenErrorResponse> =>
  readJson(tokenErrorResponse, body);

const readJson = <T>(reader: Reader<T>, body: string): Result<T> => {
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return fail([{ path: '(root)', expected: 'JSON', got: 'something else' }]);
  }
  return read(reader, given);
};
