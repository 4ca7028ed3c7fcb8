import type { CallMeter } from '../../calls/call-runs.ts';
import { createUsageCounter } from '../../calls/token-usage.ts';
import type { CloudResponse } from './call-responses.ts';
import { refuse } from './refused-call.ts';

/** Counts one answer for the budget of its run. */
export type AnswerMeter = {
  /** Sees each piece before the client. */
  readonly passed: (bytes: Buffer) => Buffer;
  /** @param isComplete whether the answer reached its end */
  readonly end: (isComplete: boolean) => void;
};

type AnsweredCall = {
  readonly method: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly requestBytes: number;
};

const NO_METER: AnswerMeter = { passed: (bytes) => bytes, end: () => undefined };

const isJson = (headers: ReadonlyMap<string, string>): boolean =>
  /^application\/json\b/i.test(headers.get('content-type') ?? '');

const createTokenCounter = (
  { status, headers: answered }: CloudResponse,
  { method, headers, requestBytes }: AnsweredCall,
) =>
  createUsageCounter({
    contentType: String(answered['content-type'] ?? ''),
    requestBytes,
    isModelCall: method === 'POST' && isJson(headers) && status < 300,
  });

/**
 * Creates the meter of one answer.
 *
 * @param meter absent for a task without a budget
 */
export const createAnswerMeter = (
  meter: CallMeter | undefined,
  response: CloudResponse,
  call: AnsweredCall,
): AnswerMeter => {
  if (meter === undefined) return NO_METER;
  const tokens = meter.countsTokens ? createTokenCounter(response, call) : undefined;
  return {
    passed: (bytes) => {
      if (!meter.takeBytes(bytes.length))
        refuse('budget_exceeded', 'the budget of the run is used up');
      tokens?.push(bytes);
      return bytes;
    },
    end: (isComplete) => {
      if (tokens !== undefined) meter.addTokens(tokens.end(isComplete));
    },
  };
};
