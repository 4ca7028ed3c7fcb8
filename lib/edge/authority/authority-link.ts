import type { AuthorityAccess } from '../../contract/authority.ts';
import type { EndReport } from '../../credentials/end-reports.ts';
import type { Exchange } from '../../credentials/exchange.ts';
import type { Connect } from '../../credentials/following.ts';
import { authorityExchange, type AuthorityExchangeParts } from './authority-exchange.ts';
import { openConnection } from './connection.ts';
import { openEvents } from './event-stream.ts';
import { openRunEnds } from './run-ends.ts';

/** All that a sidecar says to an authority and hears of it. */
export type AuthorityLink = {
  readonly exchange: Exchange;
  readonly connect: Connect;
  /** @throws ExchangeError */
  readonly reportEnd: (report: EndReport) => Promise<void>;
  /** Another replica is to be spoken to from now on. */
  readonly moveOn: () => void;
};

/** Opens no connection yet. */
export const openAuthorityLink = (
  access: Pick<AuthorityAccess, 'endpoint' | 'roots'>,
  parts: Omit<AuthorityExchangeParts, 'connection'>,
): AuthorityLink => {
  const connection = openConnection(access);
  return {
    exchange: authorityExchange({ ...parts, connection }),
    connect: openEvents(connection),
    reportEnd: openRunEnds(connection, parts.readToken),
    moveOn: connection.forgetIdle,
  };
};
