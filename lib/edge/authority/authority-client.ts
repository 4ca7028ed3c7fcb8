import type { DecideCall } from '../../calls/gates.ts';
import type { AuthorityAccess, RunDecision } from '../../contract/authority-api.ts';
import type { CallReport } from '../../calls/journal.ts';
import type { ProposalRequest } from '../../contract/proposals.ts';
import type { EndReport } from '../../runs/end-reports.ts';
import type { Exchange } from '../../contract/exchange.ts';
import type { Connect } from '../../runs/revocation-stream.ts';
import { createAuthorityExchange, type AuthorityExchangeDeps } from './authority-exchange.ts';
import { createConnection } from './connection.ts';
import { createEventStream } from './event-stream.ts';
import { createProposalSender } from './proposals.ts';
import {
  createCallDecider,
  createDelegator,
  createRedecider,
  type DelegateRun,
} from './run-decisions.ts';
import { createCallRecordSender, createEndReportSender } from './run-reports.ts';

/** The sidecar's calls to the authority. */
export type AuthorityClient = {
  readonly exchange: Exchange;
  readonly connect: Connect;
  /** @throws ExchangeError */
  readonly reportEnd: (report: EndReport) => Promise<void>;
  /** Asks about one call. @throws ExchangeError */
  readonly decideCall: DecideCall;
  /** Asks again about a run. @throws ExchangeError */
  readonly redecide: (ticket: string) => Promise<RunDecision>;
  readonly delegate: DelegateRun;
  /** The ticket is of the run. @throws ExchangeError */
  readonly reportCalls: (
    report: CallReport & { readonly ticket?: string | undefined },
  ) => Promise<void>;
  /** Proposes what a refusal says is missing. @returns the name of the TaskProposal @throws ExchangeError */
  readonly propose: (proposal: ProposalRequest) => Promise<string>;
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
    decideCall: createCallDecider(connection, deps.readToken),
    redecide: createRedecider(connection, deps.readToken),
    delegate: createDelegator(connection, deps.readToken),
    reportCalls: createCallRecordSender(connection, deps.readToken),
    propose: createProposalSender(connection, deps.readToken),
    reconnect: connection.closeIdle,
  };
};
