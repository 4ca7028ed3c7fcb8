import type { AuthorityAccess } from '../../contract/authority-api.ts';
import type { EndReport } from '../../runs/end-reports.ts';
import type { Exchange } from '../../contract/exchange.ts';
import type { Connect } from '../../runs/revocation-stream.ts';
import { createAuthorityExchange, type AuthorityExchangeDeps } from './authority-exchange.ts';
import { createConnection } from './connection.ts';
import { createEventStream } from './event-stream.ts';
import { createEndReportSender } from './run-end-reports.ts';

/** All that a sidecar says to an authority and hears of it. */
export type AuthorityClient = {
  readonly exchange: Exchange;
  readonly connect: Connect;
  /** @throws ExchangeError */
  readonly reportEnd: (report: EndReport) => Promise<void>;
  /** Another replica is to be spoken to from now on. */
  readonly reconnect: () => void;
};

/** Opens no connection yet. */
export const createAuthorityClient = (
  access: Pick<AuthorityAccess, 'endpoint' | 'roots'>,
  parts: Omit<AuthorityExchangeDeps, 'connection'>,
): AuthorityClient => {
  const connection = createConnection(access);
  return {
    exchange: createAuthorityExchange({ ...parts, connection }),
    connect: createEventStream(connection),
    reportEnd: createEndReportSender(connection, parts.readToken),
    reconnect: connection.closeIdle,
  };
};
