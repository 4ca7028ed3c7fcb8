import type { Exchange, RunRequest } from '../../contract/exchange.ts';
import { assumeForRun, type AssumeRoleDeps } from './sts-retry.ts';

export type StsExchangeDeps = AssumeRoleDeps & {
  /** Reads the projected token afresh. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  /** The session policy of a run whose deadline is `deadline`, in milliseconds since the epoch. */
  readonly sessionPolicy: (request: RunRequest, deadline: number) => string;
  readonly sessionName: (run: string) => string;
  /** A new run's id. */
  readonly newRun: () => string;
};

/** The exchange under `trust: cluster`: straight to STS with the projected token. */
export const createStsExchange =
  (parts: StsExchangeDeps): Exchange =>
  async (request, signal) => {
    const run = parts.newRun();
    const { issued } = await assumeForRun(parts, {
      run,
      role: request.task.role,
      lifetimeSeconds: request.task.lifetimeSeconds,
      sessionName: parts.sessionName(run),
      readToken: parts.readToken,
      sessionPolicy: (deadline) => parts.sessionPolicy(request, deadline),
      signal,
    });
    return issued;
  };
