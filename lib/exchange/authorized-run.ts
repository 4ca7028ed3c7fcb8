import type { Task } from '../contract/task.ts';
import type { IssuedRun } from '../contract/exchange.ts';
import type { User, Workload } from '../identity/workload.ts';

/** A run that policy permits: all that its grant, session policy and session name are made of. */
export type AuthorizedRun = {
  readonly run: string;
  readonly workload: Workload;
  readonly user?: User;
  readonly consumer: string;
  readonly task: Task;
  /** Bound by `bindParams`. */
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
};

/** A run as the cloud issued it. */
export type IssuedCredentials = IssuedRun & {
  readonly sessionName: string;
  /** SHA-256, hex, of the session policy. */
  readonly policySha256: string;
};

/**
 * Signs a grant for the run and trades it for credentials. The grant never leaves this function but
 * to the cloud.
 *
 * @throws ExchangeError refused (final) or unavailable (later, perhaps)
 */
export type IssueCredentials = (order: AuthorizedRun) => Promise<IssuedCredentials>;
