import {
  CREDENTIALS_TYPE,
  HTTP_HEADERS_TYPE,
  type TaskDetails,
  type TokenResponse,
} from '../../contract/authority-api.ts';
import {
  ExchangeError,
  type AwsRun,
  type HttpRun,
  type IssuedRun,
  type RunRequest,
} from '../../contract/exchange.ts';
import type { FieldError, Result } from '../../schema/field-error.ts';
import { readCredentials, readHttpSecret, readTokenResponse } from './token-response-schema.ts';

const MAX_SKEW_MS = 30_000;

/** What a run gets, without its times. */
type Issued = Pick<AwsRun, 'credentials'> | Pick<HttpRun, 'secret'>;
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
  return { response: parsed.value, issued: readIssued(parsed.value, request) };
};

/** The provider of the task decides what is expected: the other type is no answer to this request. */
const readIssued = (response: TokenResponse, { task }: RunRequest): Issued => {
  const expected = task.provider === 'http' ? HTTP_HEADERS_TYPE : CREDENTIALS_TYPE;
  if (response.issued_token_type !== expected) {
    throw toInvalidResponseError([{ path: 'issued_token_type', expected, got: '' }]);
  }
  if (task.provider === 'http') return { secret: requireRead(readHttpSecret(response)) };
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
  return {
    run,
    ...issued,
    deadline: deadline_ms - aheadMs,
    skewMs: cloud_skew_ms,
    ...(packed_policy_percent === undefined ? {} : { packedPolicyPercent: packed_policy_percent }),
  };
};

const checkSkew = (skewMs: number): void => {
  if (Math.abs(skewMs) <= MAX_SKEW_MS) return;
  const seconds = Math.round(skewMs / 1000);
  throw new ExchangeError(
    'refused',
    'clock_skew',
    `The cloud's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this node's; at most ${MAX_SKEW_MS / 1000} s is accepted. Correct the clocks of the node and the authority.`,
  );
};
