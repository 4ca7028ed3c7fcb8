import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import type { Tracing } from '../../lib/edge/telemetry/tracing.ts';
import type { AuditBudget } from '../../lib/exchange/audit-budget.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import type { Prerequisites } from './bootstrap.ts';
import type { ClusterClient } from './cluster.ts';
import type { OnFailure } from './failures.ts';
import type { WatchSyncs } from './watches.ts';

/** What the components of the authority are built from. */
export type ComponentDeps = {
  readonly budget: AuditBudget;
  readonly cluster: ClusterClient;
  readonly prerequisites: Prerequisites;
  readonly metrics: AuthorityMetrics;
  readonly syncs: WatchSyncs;
  readonly tracing: Tracing;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timings: { readonly keysMs: number };
  /** Of the servers that Upstreams name; for tests. */
  readonly isAllowedAddress?: (address: string) => boolean;
};

/** What most components take. */
export const buildSharedDeps = (deps: ComponentDeps) => ({
  record: deps.prerequisites.audit.record,
  by: deps.prerequisites.ownName,
  clock: deps.clock,
  random: deps.random,
  onFailure: createFailureReporter(deps),
});

/** Counts and logs a failure that is retried. */
export const createFailureReporter =
  ({ metrics, log }: Pick<ComponentDeps, 'metrics' | 'log'>): OnFailure =>
  (message, error) => {
    metrics.reconcileFailed('other');
    log.warn(message, toErrorFields(error));
  };
