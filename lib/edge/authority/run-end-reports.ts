import { REVOKE_PATH } from '../../contract/authority-api.ts';
import type { EndReport } from '../../runs/end-reports.ts';
import { toAuthorityError, toExchangeError } from './authority-error.ts';
import type { Connection } from './connection.ts';

const TIMEOUT_MS = 5_000;

/**
 * Tells the authority that a run of ours has ended (RFC 7009, with the pod's token).
 *
 * @throws ExchangeError
 */
export const createEndReportSender =
  (connection: Connection, readToken: () => string) =>
  async ({ run, end }: Pick<EndReport, 'run' | 'end'>): Promise<void> => {
    try {
      const token = readToken();
      const form = new URLSearchParams({ token: run, subject_token: token, reason: end });
      const reply = await connection.post(REVOKE_PATH, form, AbortSignal.timeout(TIMEOUT_MS));
      if (reply.status >= 300) throw toAuthorityError(reply, [token]);
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };
