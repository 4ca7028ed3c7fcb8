import type { TaskDetails, TokenAnswer } from '../../contract/authority.ts';
import { ExchangeError, type IssuedRun, type RunRequest } from '../../credentials/exchange.ts';
import type { Fault } from '../../reading/fault.ts';
import { readCredentials, readTokenAnswer } from './token-answer.ts';

const LARGEST_SKEW_MS = 30_000;

type Answer = { readonly answer: TokenAnswer; readonly keys: IssuedRun['keys'] };

/**
 * The answer, if it is to what was asked.
 *
 * @throws ExchangeError `answer_invalid`, which names members and no value
 */
export const readAnswer = (body: string, request: RunRequest): Answer => {
  const answer = readTokenAnswer(body);
  if (!answer.ok) throw invalid(answer.faults);
  if (!isAsked(answer.value.authorization_details[0], request)) {
    throw invalid([{ path: 'authorization_details', expected: '', got: '' }]);
  }
  const credentials = readCredentials(answer.value);
  if (!credentials.ok) throw invalid(credentials.faults);
  const { AccessKeyId, SecretAccessKey, Token } = credentials.value;
  const keys = {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: Token,
  };
  return { answer: answer.value, keys };
};

const isAsked = (granted: TaskDetails | undefined, request: RunRequest): boolean => {
  if (granted?.task !== request.task.name || granted.consumer !== request.consumer) return false;
  const given = Object.entries(granted.params);
  return (
    given.length === Object.keys(request.params).length &&
    given.every(([name, value]) => request.params[name] === value)
  );
};

const invalid = (faults: readonly Fault[]): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'answer_invalid',
    `The authority's answer is none that this sidecar understands (${faults.map(({ path }) => path).join(', ')}): are both of one version?`,
  );

/**
 * The run by this node's clock. The authority read its own when it answered, at some moment between
 * our sending and our receiving: taken for the middle of them, it errs towards an earlier end.
 *
 * @throws ExchangeError `clock_skew`
 */
export const toIssuedRun = (
  { answer, keys }: Answer,
  middle: number,
  reportSkew: (skewMs: number) => void,
): IssuedRun => {
  const { run, deadline_ms, answered_at_ms, cloud_skew_ms, packed_policy_percent } = answer;
  const aheadMs = answered_at_ms - middle;
  const skewMs = cloud_skew_ms + aheadMs;
  reportSkew(skewMs);
  refuseSkew(skewMs);
  return {
    run,
    keys,
    deadline: deadline_ms - aheadMs,
    skewMs: cloud_skew_ms,
    ...(packed_policy_percent === undefined ? {} : { packedPolicyPercent: packed_policy_percent }),
  };
};

const refuseSkew = (skewMs: number): void => {
  if (Math.abs(skewMs) <= LARGEST_SKEW_MS) return;
  const seconds = Math.round(skewMs / 1000);
  throw new ExchangeError(
    'refused',
    'clock_skew',
    `The cloud's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this node's; at most ${LARGEST_SKEW_MS / 1000} s are accepted. Set the clocks of node and authority right.`,
  );
};
