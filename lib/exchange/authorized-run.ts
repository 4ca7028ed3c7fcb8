import type { ChainLink } from '../contract/approvals.ts';
import type { Task } from '../contract/task.ts';
import type { IssuedRun } from '../contract/exchange.ts';
import type { User, Workload } from '../identity/workload.ts';
import type { Upstream } from '../upstreams/upstream.ts';

/** A run that the pod's admitted tasks allow: the input of its grant, session policy and session name. */
export type AuthorizedRun = {
  readonly run: string;
  readonly workload: Workload;
  readonly user?: Pick<User, 'issuer' | 'subject' | 'kubernetesName'>;
  readonly consumer: string;
  readonly task: Task;
  /** Of the task, as policy decides on it: it may change before the run's secret is issued. */
  readonly upstream?: Upstream;
  /** Validated by `bindParams`. */
  readonly params: Readonly<Record<string, string>>;
  readonly purpose?: string;
  /** Of a run that another one delegated; the scope and the lifetime of its task are then narrower than declared. */
  readonly delegation?: RunDelegation;
};

export type RunDelegation = {
  /** The runs above it, root first; at least one. */
  readonly chain: readonly ChainLink[];
  /** As the handle limits it; absent: it does not. */
  readonly lifetimeSeconds?: number;
  /** As admitted. */
  readonly admitted: Task;
  /** The run above it may end then; milliseconds since the epoch. */
  readonly notAfter: number;
};

/** When a run that starts now must end; milliseconds since the epoch. */
export const computeDeadline = (
  { task, delegation }: Pick<AuthorizedRun, 'task' | 'delegation'>,
  now: number,
): number => Math.min(now + task.lifetimeSeconds * 1000, delegation?.notAfter ?? Infinity);

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
