import {
  CREDENTIALS_TYPE,
  TASK_DETAILS_TYPE,
  type ContainerCredentials,
  type TaskDetails,
  type TokenAnswer,
  type TokenErrorAnswer,
} from '../../contract/authority.ts';
import { fail, type Result } from '../../reading/fault.ts';
import {
  integer,
  list,
  object,
  oneOf,
  read,
  record,
  refuse,
  string,
  value,
  type Reader,
} from '../../reading/reader.ts';

/** Of the answer's own clock: some moment from 2001 on, in milliseconds. */
const moment = integer({ min: 1e12, max: Number.MAX_SAFE_INTEGER });
const amount = value(
  'a number',
  (given): given is number => typeof given === 'number' && Number.isFinite(given),
);
const LONGEST_TEXT = 4096;

/** What is secret is not shown, not even in the fault that it is none. */
const secret =
  (pattern: RegExp): Reader<string> =>
  (given, path, faults) =>
    typeof given === 'string' && pattern.test(given)
      ? given
      : refuse(faults, { path, expected: 'what is not shown here', value: '(not shown)' });

const text = string({ expected: 'text', maxLength: LONGEST_TEXT });

const details: Reader<TaskDetails> = known({
  type: oneOf([TASK_DETAILS_TYPE]),
  task: text,
  consumer: text,
  params: record({ expected: 'a param', pattern: /^[^]+$/ }, text),
  purpose: { optional: text },
});

const tokenAnswer: Reader<TokenAnswer> = known({
  access_token: secret(/^[\w-]+$/),
  issued_token_type: oneOf([CREDENTIALS_TYPE]),
  token_type: oneOf(['N_A']),
  expires_in: integer({ min: 0, max: 86_400 }),
  authorization_details: list(details, { min: 1, max: 1 }),
  run: string({ expected: 'a run', pattern: /^[A-Za-z0-9_-]{1,64}$/ }),
  deadline_ms: moment,
  answered_at_ms: moment,
  cloud_skew_ms: amount,
  packed_policy_percent: { optional: amount },
});

const credentials: Reader<ContainerCredentials> = known({
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
] as const satisfies readonly TokenErrorAnswer['error'][];

const errorAnswer: Reader<TokenErrorAnswer> = known({
  error: oneOf(ERRORS),
  error_description: text,
  reason: string({ expected: 'a code', pattern: /^\w{1,64}$/ }),
  policies: { optional: list(string({ expected: 'a policy', maxLength: 512 }), { max: 256 }) },
});

/**
 * An object of these members. What else there is comes from an authority that is newer than this
 * sidecar, and is ignored (RFC 6749, section 5.1).
 */
export function known<F extends Parameters<typeof object>[0]>(
  members: F,
): ReturnType<typeof object<F>> {
  const strict = object(members);
  return (given, path, faults) =>
    strict(typeof given === 'object' ? onlyOf(members, given) : given, path, faults);
}

const onlyOf = (members: object, given: object | null): unknown =>
  given === null || Array.isArray(given)
    ? given
    : Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(members, name)));

/** The answer as text; every fault names its member, none shows a secret. */
export const readTokenAnswer = (body: string): Result<TokenAnswer> => readJson(tokenAnswer, body);

/** What `access_token` holds. */
export const readCredentials = ({ access_token }: TokenAnswer): Result<ContainerCredentials> =>
  readJson(credentials, Buffer.from(access_token, 'base64url').toString('utf8'));

export const readErrorAnswer = (body: string): Result<TokenErrorAnswer> =>
  readJson(errorAnswer, body);

const readJson = <T>(reader: Reader<T>, body: string): Result<T> => {
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return fail([{ path: '(root)', expected: 'JSON', got: 'something else' }]);
  }
  return read(reader, given);
};
