import type { RunDecision } from '../../lib/contract/authority-api.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { ActiveRun } from '../../lib/runs/active-runs.ts';
import { buildPolicyChangedRefusal } from '../../lib/runs/run-refusal.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';

/** Sidecars ask at different times, so that a changed policy does not stop the starts of runs. */
const SPREAD_MS = 30_000;
const RETRY_MS = 10_000;
/** Other refusals are about the request: an expired token, or a replica of an older version. */
const ENDING = new Set(['policy_denied', 'call_needs_sign', 'revoked', 'upstream_unknown']);

export type PolicyChangeDeps = {
  /** @throws ExchangeError */
  readonly redecide: (ticket: string) => Promise<RunDecision>;
  readonly log: Log;
  readonly schedule: Schedule;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
};

/**
 * Has live runs decided again when policies change. A refusal ends a run. Without an answer a run keeps its
 * gates, and the sidecar asks again.
 */
export const watchPolicyChanges = (
  { redecide, log, schedule, random }: PolicyChangeDeps,
  registry: Pick<RunRegistry, 'listActive' | 'revokeRun'>,
) => {
  let current: string | undefined;
  let cancel: (() => void) | undefined;

  const listOutdated = (): readonly ActiveRun[] =>
    registry
      .listActive()
      .filter(
        ({ oversight }) => oversight?.ticket !== undefined && oversight.policyVersion !== current,
      );

  const wait = (ms: number): void => {
    cancel ??= schedule(ms, () => {
      cancel = undefined;
      void decideAll();
    });
  };

  const decideAll = async (): Promise<void> => {
    for (const run of listOutdated()) await decide(run);
    if (listOutdated().length > 0) wait(RETRY_MS + random() * RETRY_MS);
  };

  const decide = async (active: ActiveRun): Promise<void> => {
    const { run, oversight } = active;
    if (oversight?.ticket === undefined) return;
    try {
      const { gates, policy_version } = await redecide(oversight.ticket);
      oversight.gates = gates;
      oversight.policyVersion = policy_version;
    } catch (thrown) {
      const { kind, code, message } =
        thrown instanceof ExchangeError
          ? thrown
          : new ExchangeError('unavailable', 'internal_error', '');
      log.warn('run not decided again', { run, code });
      if (kind === 'refused' && ENDING.has(code))
        registry.revokeRun(active, buildPolicyChangedRefusal(message));
    }
  };

  return {
    /** The authority's current version: sent first, and after each change. */
    onPolicies: (version: string): void => {
      current = version;
      if (listOutdated().length > 0) wait(random() * SPREAD_MS);
    },
    stop: (): void => cancel?.(),
  };
};
