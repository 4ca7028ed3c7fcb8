import type { TaskDetails, TokenResponse } from '../../contract/authority-api.ts';
import { ExchangeError, type IssuedRun, type RunRequest } from '../../contract/exchange.ts';
import type { FieldError } from '../../schema/field-error.ts';
import { readCredentials, readTokenResponse } from './token-response-schema.ts';

const MAX_SKEW_MS = 30_000;

type ParsedResponse = { readonly response: TokenResponse; readonly keys: IssuedRun['credentials'] };

/**
 * The answer, if it is to what was asked.
 *
 * @throws ExchangeError `authority_response_invalid`, which names members and no value
 */
export const readTokenExchangeResponse = (body: string, request: RunRequest): ParsedResponse => {
  const answer = readTokenResponse(body);
  if (!answer.ok) throw toInvalidResponseError(answer.faults);
  if (!matchesRequest(answer.value.authorization_details[0], request)) {
    throw toInvalidResponseError([{ path: 'authorization_details', expected: '', got: '' }]);
  }
  const credentials = readCredentials(answer.value);
  if (!credentials.ok) throw toInvalidResponseError(credentials.faults);
  const { AccessKeyId, SecretAccessKey, Token } = credentials.value;
  const keys = {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: Token,
  };
  return { response: answer.value, keys };
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
    `The authority's answer is none that this sidecar understands (${faults.map(({ path }) => path).join(', ')}): are both of one version?`,
  );

/**
 * The run by this node's clock. The authority read its own when it answered, at some moment between
 * our sending and our receiving: taken for the middle of them, it errs towards an earlier end.
 *
 * @throws ExchangeError `clock_skew`
 */
export const toIssuedRun = (
  { response, keys: credentials }: ParsedResponse,
  middle: number,
  reportSkew: (skewMs: number) => void,
): IssuedRun => {
  const { run, deadline_ms, answered_at_ms, cloud_skew_ms, packed_policy_percent } = response;
  const aheadMs = answered_at_ms - middle;
  const skewMs = cloud_skew_ms + aheadMs;
  reportSkew(skewMs);
  checkSkew(skewMs);
  return {
    run,
    credentials,
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
    `The cloud's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this node's; at most ${MAX_SKEW_MS / 1000} s are accepted. Set the clocks of node and authority right.`,
  );
};
