import type { RunDecision, TaskDetails } from '../contract/authority-api.ts';
import type { User } from '../identity/workload.ts';
import type { PolicyDecision } from '../policy/decision.ts';
import type { AuthorizedRun, IssuedCredentials } from './authorized-run.ts';
import type { Caller } from './caller.ts';

/** What is known about a request so far. Its audit records contain it, at whichever step it ends. */
export type ExchangeContext = {
  details?: TaskDetails | undefined;
  caller?: Caller | undefined;
  user?: Pick<User, 'issuer' | 'subject'> | undefined;
  /** Another run delegates it. */
  isDelegated?: boolean;
  decision?: PolicyDecision | undefined;
  /** See {@link TokenRequest.attempt}. */
  attempt?: string | undefined;
  /** The groups whose approval the run needed, and has. */
  approvals?: readonly string[];
  /** Set after policy allowed the run. */
  authorizedRun?: AuthorizedRun | undefined;
  issued?: IssuedCredentials | undefined;
  /** What policy leaves to decide about calls, and the ticket for it. */
  oversight?:
    | (RunDecision & {
        readonly ticket?: string | undefined;
        /** The ticket with the time at which the issued run ends. */
        readonly sealIssued: (expiresAt: number) => string | undefined;
      })
    | undefined;
};
