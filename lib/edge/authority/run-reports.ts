import { RECORDS_PATH, REVOKE_PATH } from '../../contract/authority-api.ts';
import type { CallReport } from '../../calls/journal.ts';
import type { EndReport } from '../../runs/end-reports.ts';
import { toAuthorityError, toExchangeError } from './authority-error.ts';
import type { Connection } from './connection.ts';

const TIMEOUT_MS = 5_000;

type Report = { readonly path: string; readonly fields: Readonly<Record<string, string>> };

/** Creates the function that posts a report with the pod's token, which is read for each. */
const createReportSender =
  <T>(toReport: (report: T) => Report) =>
  (connection: Connection, readToken: () => string) =>
  async (report: T): Promise<void> => {
    try {
      const token = readToken();
      const { path, fields } = toReport(report);
      const form = new URLSearchParams({ ...fields, subject_token: token });
      const response = await connection.post(path, form, AbortSignal.timeout(TIMEOUT_MS));
      if (response.status >= 300) throw toAuthorityError(response, [token]);
    } catch (thrown) {
      throw toExchangeError(thrown);
    }
  };

/**
 * Creates the function that reports the end of a run to the authority (RFC 7009, with the pod's token).
 *
 * @throws ExchangeError
 */
export const createEndReportSender = createReportSender(
  ({ run, end, release, ticket, hasDelegated = false }: Omit<EndReport, 'until'>) => ({
    path: REVOKE_PATH,
    fields: {
      token: run,
      reason: end,
      ...(release !== undefined && { release }),
      ...(ticket !== undefined && { ticket }),
      ...(hasDelegated && { delegated: 'true' }),
    },
  }),
);

/** Characters of the calls and the ticket in a form: the authority reads 64 KiB, and the pod's token takes a part. */
const MAX_CALLS_AND_TICKET = 48 * 1024;

/**
 * Creates the function that sends the head of a run's journal to the authority, with the pod's token. The ticket is for
 * the record, which has less without it.
 *
 * @throws ExchangeError
 */
export const createCallRecordSender = createReportSender(
  ({ run, calls, ticket }: CallReport & { readonly ticket?: string | undefined }) => {
    const text = JSON.stringify(calls);
    const length = encodeURIComponent(text).length + (ticket?.length ?? 0);
    const isSmall = ticket !== undefined && length <= MAX_CALLS_AND_TICKET;
    return { path: RECORDS_PATH, fields: { run, calls: text, ...(isSmall && { ticket }) } };
  },
);
