import {
  CREDENTIALS_TYPE,
  HTTP_HEADERS_TYPE,
  POSTGRES_LOGIN_TYPE,
  type TaskDetails,
  type TokenResponse,
} from '../../contract/authority-api.ts';
import {
  ExchangeError,
  type AwsRun,
  type IssuedRun,
  type RunOversight,
  type RunRequest,
  type SecretRun,
} from '../../contract/exchange.ts';
import type { Provider } from '../../contract/task.ts';
import type { FieldError, Result } from '../../schema/field-error.ts';
import {
  readCredentials,
  readHttpSecret,
  readPostgresSecret,
  readTokenResponse,
} from './token-response-schema.ts';

const MAX_SKEW_MS = 30_000;

/** What a run gets, without its times. */
type Issued = Pick<AwsRun, 'credentials'> | Pick<SecretRun, 'secret' | 'release' | 'fixedKey'>;

const TOKEN_TYPES = {
  aws: CREDENTIALS_TYPE,
  http: HTTP_HEADERS_TYPE,
  postgres: POSTGRES_LOGIN_TYPE,
} as const satisfies Record<Provider, TokenResponse['issued_token_type']>;

type ParsedResponse = { readonly response: TokenResponse; readonly issued: Issued };

/**
 * Reads a token response and checks that it matches the request.
 *
 * @throws ExchangeError `authority_response_invalid`; it names members and contains no value
 */
export const readTokenExchangeResponse = (body: string, request: RunRequest): ParsedResponse => {
  const parsed = readTokenResponse(body);
  if (!parsed.ok) throw toInvalidResponseError(parsed.faults);
  if (!matchesRequest(parsed.value.authorization_details[0], request)) {
    throw toInvalidResponseError([{ path: 'authorization_details', expected: '', got: '' }]);
  }
  const { allow, ancestors } = parsed.value;
  const isNarrowed = allow !== undefined && ancestors !== undefined;
  if (isNarrowed !== (request.delegation !== undefined)) {
    throw toInvalidResponseError([{ path: 'allow, ancestors', expected: '', got: '' }]);
  }
  return { response: parsed.value, issued: readIssued(parsed.value, request) };
};

/** The provider of the task decides what is expected: the other type is no answer to this request. */
const readIssued = (response: TokenResponse, { task }: RunRequest): Issued => {
  const expected = TOKEN_TYPES[task.provider];
  if (response.issued_token_type !== expected) {
    throw toInvalidResponseError([{ path: 'issued_token_type', expected, got: '' }]);
  }
  if (task.provider === 'postgres') return { secret: requireRead(readPostgresSecret(response)) };
  if (task.provider === 'http') {
    const { release, fixed_key: fixedKey } = response;
    const secret = requireRead(readHttpSecret(response));
    return {
      secret,
      ...(release !== undefined && { release }),
      ...(fixedKey !== undefined && { fixedKey }),
    };
  }
  const { AccessKeyId, SecretAccessKey, Token } = requireRead(readCredentials(response));
  return {
    credentials: {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: Token,
    },
  };
};

const requireRead = <T>(result: Result<T>): T => {
  if (!result.ok) throw toInvalidResponseError(result.faults);
  return result.value;
};

const matchesRequest = (granted: TaskDetails | undefined, request: RunRequest): boolean => {
  if (granted?.task !== request.task.name || granted.consumer !== request.consumer) return false;
  const given = Object.entries(granted.params);
  return (
    given.length === Object.keys(request.params).length &&
    given.every(([name, value]) => request.params[name] === value)
  );
};

const toInvalidResponseError = (faults: readonly FieldError[]): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'authority_response_invalid',
    `The authority returned an invalid token response (${faults.map(({ path }) => path).join(', ')}). Check that the authority and the sidecar have the same version.`,
  );

/**
 * Converts the response to this node's clock. The authority read its clock between sending and
 * receiving. The midpoint is used, and half of the round trip is the largest error.
 *
 * @throws ExchangeError `clock_skew`
 */
export const toIssuedRun = (
  { response, issued }: ParsedResponse,
  midpoint: number,
  reportSkew: (skewMs: number) => void,
): IssuedRun => {
  const { run, deadline_ms, answered_at_ms, cloud_skew_ms, packed_policy_percent } = response;
  const aheadMs = answered_at_ms - midpoint;
  const skewMs = cloud_skew_ms + aheadMs;
  reportSkew(skewMs);
  checkSkew(skewMs);
  const oversight = toOversight(response);
  return {
    run,
    ...issued,
    deadline: deadline_ms - aheadMs,
    skewMs: cloud_skew_ms,
    ...(oversight !== undefined && { oversight }),
    ...(packed_policy_percent === undefined ? {} : { packedPolicyPercent: packed_policy_percent }),
    ...(response.approved && { isApproved: true }),
    ...(response.allow !== undefined && { allow: response.allow }),
    ...(response.ancestors !== undefined && { ancestors: response.ancestors }),
  };
};

/** Absent from an older authority, which knows no policies about calls. */
const toOversight = ({ ticket, gates, policy_version }: TokenResponse): RunOversight | undefined =>
  gates === undefined || policy_version === undefined
    ? undefined
    : { gates, policyVersion: policy_version, ...(ticket !== undefined && { ticket }) };

const checkSkew = (skewMs: number): void => {
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return;
  const seconds = Math.round(skewMs / 1000);
  throw new ExchangeError(
    'refused',
    'clock_skew',
    `The cloud's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this node's; at most ${MAX_SKEW_MS / 1000} s is accepted. Correct the clocks of the node and the authority.`,
  );
};
