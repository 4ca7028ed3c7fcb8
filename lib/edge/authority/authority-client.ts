import type { AuthorityAccess } from '../../contract/authority-api.ts';
import type { CallReport } from '../../calls/journal.ts';
import type { EndReport } from '../../runs/end-reports.ts';
import type { Exchange } from '../../contract/exchange.ts';
import type { Connect } from '../../runs/revocation-stream.ts';
import { createAuthorityExchange, type AuthorityExchangeDeps } from './authority-exchange.ts';
import { createConnection } from './connection.ts';
import { createEventStream } from './event-stream.ts';
import { createCallRecordSender, createEndReportSender } from './run-reports.ts';

/** The sidecar's calls to the authority. */
export type AuthorityClient = {
  readonly exchange: Exchange;
  readonly connect: Connect;
  /** @throws ExchangeError */
  readonly reportEnd: (report: EndReport) => Promise<void>;
  /** @throws ExchangeError */
  readonly reportCalls: (report: CallReport) => Promise<void>;
  /** Closes idle connections, so that the next call may reach another replica. */
  readonly reconnect: () => void;
};

/** Creates the client; the first call opens a connection. */
export const createAuthorityClient = (
  access: Pick<AuthorityAccess, 'endpoint' | 'roots'>,
  deps: Omit<AuthorityExchangeDeps, 'connection'>,
): AuthorityClient => {
  const connection = createConnection(access);
  return {
    exchange: createAuthorityExchange({ ...deps, connection }),
    connect: createEventStream(connection),
    reportEnd: createEndReportSender(connection, deps.readToken),
    reportCalls: createCallRecordSender(connection, deps.readToken),
    reconnect: connection.closeIdle,
  };
};
