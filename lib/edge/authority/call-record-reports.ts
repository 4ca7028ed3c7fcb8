import { RECORDS_PATH } from '../../contract/authority-api.ts';
import type { CallReport } from '../../calls/journal.ts';
import { toAuthorityError, toExchangeError } from './authority-error.ts';
import type { Connection } from './connection.ts';

const TIMEOUT_MS = 5_000;

/**
 * Creates the function that sends the head of a run's journal to the authority, with the pod's token.
 *
 * @throws ExchangeError
 */
export const createCallRecordSender =
  (connection: Connection, readToken: () => string) =>
  async ({ run, calls }: CallReport): Promise<void> => {
    try {
      const token = readToken();
      const form = new URLSearchParams({ run, subject_token: token, calls: JSON.stringify(calls) });
      const response = await connection.post(RECORDS_PATH, form, AbortSignal.timeout(TIMEOUT_MS));
      if (response.status >= 300) throw toAuthorityError(response, [token]);
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };
