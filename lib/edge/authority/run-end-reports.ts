import { REVOKE_PATH } from '../../contract/authority-api.ts';
import type { EndReport } from '../../runs/end-reports.ts';
import { toAuthorityError, toExchangeError } from './authority-error.ts';
import type { Connection } from './connection.ts';

const TIMEOUT_MS = 5_000;

/**
 * Creates the function that reports the end of a run to the authority (RFC 7009, with the pod's token).
 *
 * @throws ExchangeError
 */
export const createEndReportSender =
  (connection: Connection, readToken: () => string) =>
  async ({ run, end }: Pick<EndReport, 'run' | 'end'>): Promise<void> => {
    try {
      const token = readToken();
      const form = new URLSearchParams({ token: run, subject_token: token, reason: end });
      const response = await connection.post(REVOKE_PATH, form, AbortSignal.timeout(TIMEOUT_MS));
      if (response.status >= 300) throw toAuthorityError(response, [token]);
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };
