import type { Task } from '../contract/task.ts';
import type { IssuedRun } from '../contract/exchange.ts';
import type { User, Workload } from '../identity/workload.ts';

/** A run that the pod's admitted tasks allow: the input of its grant, session policy and session name. */
export type AuthorizedRun = {
  readonly run: string;
  readonly workload: Workload;
  readonly user?: User;
  readonly consumer: string;
  readonly task: Task;
  /** Validated by `bindParams`. */
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
};

/** What was issued for a run: credentials of a cloud, or the headers that present a secret. */
export type IssuedCredentials = IssuedRun & {
  readonly sessionName: string;
  /** SHA-256, hex, of the session policy; absent where there is no session. */
  readonly policySha256?: string;
};

/**
 * Signs a grant for the run and exchanges it for credentials. The grant is sent only to the cloud.
 *
 * @throws ExchangeError refused (final) or unavailable (a retry may succeed)
 */
export type IssueCredentials = (run: AuthorizedRun) => Promise<IssuedCredentials>;
