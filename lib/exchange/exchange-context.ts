import type { TaskDetails } from '../contract/authority-api.ts';
import type { User } from '../identity/workload.ts';
import type { PolicyDecision } from '../policy/decision.ts';
import type { AuthorizedRun, IssuedCredentials } from './authorized-run.ts';
import type { Caller } from './caller.ts';

/** What is known about a request so far. Its audit records contain it, at whichever step it ends. */
export type ExchangeContext = {
  details?: TaskDetails | undefined;
  caller?: Caller | undefined;
  user?: User | undefined;
  decision?: PolicyDecision | undefined;
  /** Set after policy allowed the run. */
  authorizedRun?: AuthorizedRun | undefined;
  issued?: IssuedCredentials | undefined;
};
