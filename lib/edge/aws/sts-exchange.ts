import type { Exchange, RunRequest } from '../../contract/exchange.ts';
import { assumeForRun, type AssumeRoleDeps } from './sts-retry.ts';

export type StsExchangeDeps = AssumeRoleDeps & {
  /** Reads the projected token from its file. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  /** The session policy of a run whose deadline is `deadline`, in milliseconds since the epoch. */
  readonly sessionPolicy: (request: RunRequest, deadline: number) => string;
  readonly sessionName: (run: string) => string;
  /** Generates a run ID. */
  readonly newRun: () => string;
};

/** Creates the exchange for `trust: cluster`: it sends the projected token to STS directly. */
export const createStsExchange =
  (deps: StsExchangeDeps): Exchange =>
  async (request, signal, onRetry) => {
    const run = deps.newRun();
    const { issued } = await assumeForRun(deps, {
      run,
      role: request.task.role,
      lifetimeSeconds: request.task.lifetimeSeconds,
      sessionName: deps.sessionName(run),
      readToken: deps.readToken,
      sessionPolicy: (deadline) => deps.sessionPolicy(request, deadline),
      signal,
      onRetry,
    });
    return issued;
  };
