import type { DecideCall } from '../../calls/gates.ts';
import {
  CALLS_PATH,
  DECISIONS_PATH,
  DELEGATIONS_PATH,
  type DelegationDetails,
  type DelegationResponse,
  type RunDecision,
} from '../../contract/authority-api.ts';
import { ExchangeError } from '../../contract/exchange.ts';
import { toAuthorityError, toExchangeError } from './authority-error.ts';
import type { Connection } from './connection.ts';
import { readDelegationResponse, readRunDecision } from './token-response-schema.ts';

/** A consumer waits for it, and SDKs repeat a call that gets no answer. */
export const CALL_TIMEOUT_MS = 5_000;
const DECISION_TIMEOUT_MS = 10_000;

type Request = {
  readonly path: string;
  readonly fields: Readonly<Record<string, string>> & { readonly ticket: string };
  readonly signal: AbortSignal;
};

const createPost =
  (connection: Connection, readToken: () => string) =>
  async ({ path, fields, signal }: Request): Promise<string> => {
    try {
      const token = readToken();
      const form = new URLSearchParams({ ...fields, subject_token: token });
      const response = await connection.post(path, form, signal);
      if (response.status !== 200) throw toAuthorityError(response, [token, fields.ticket]);
      return response.body;
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };

/**
 * Creates the function that asks the authority about one call.
 *
 * @throws ExchangeError
 */
export const createCallDecider = (connection: Connection, readToken: () => string): DecideCall => {
  const post = createPost(connection, readToken);
  return async ({ ticket, call, attempt, signal }) => {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
    const fields = { ticket, call: JSON.stringify(call), attempt };
    await post({ path: CALLS_PATH, fields, signal: limited });
  };
};

/**
 * Creates the function that asks the authority again about a run, because policies changed.
 *
 * @throws ExchangeError refused: the run must end
 */
export const createRedecider = (connection: Connection, readToken: () => string) => {
  const post = createPost(connection, readToken);
  return async (ticket: string): Promise<RunDecision> => {
    const signal = AbortSignal.timeout(DECISION_TIMEOUT_MS);
    const read = readRunDecision(await post({ path: DECISIONS_PATH, fields: { ticket }, signal }));
    if (read.ok) return read.value;
    throw newInvalidResponseError('decision');
  };
};

/** Delegates a part of the run of a ticket. @throws ExchangeError */
export type DelegateRun = (
  ticket: string,
  details: DelegationDetails,
) => Promise<DelegationResponse>;

/** Creates the function that mints handles with which other workloads start runs. */
export const createDelegator = (connection: Connection, readToken: () => string): DelegateRun => {
  const post = createPost(connection, readToken);
  return async (ticket, details) => {
    const signal = AbortSignal.timeout(DECISION_TIMEOUT_MS);
    const fields = { ticket, delegation: JSON.stringify(details) };
    const read = readDelegationResponse(await post({ path: DELEGATIONS_PATH, fields, signal }));
    if (read.ok) return read.value;
    throw newInvalidResponseError('handle');
  };
};

const newInvalidResponseError = (what: string): ExchangeError =>
  new ExchangeError(
    'unavailable',
    'authority_response_invalid',
    `The authority returned an invalid ${what}`,
  );
