import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { CallerIdentification } from '../../lib/exchange/caller-identification.ts';
import type { Emergencies } from '../../lib/exchange/emergencies.ts';
import type { ClusterClient } from './cluster.ts';
import { buildSharedDeps, type ComponentDeps } from './component-deps.ts';
import type { AuthorityConfig } from './config.ts';
import type { DatabaseRoles } from './database-roles.ts';
import { startGarbageCollector } from './garbage-collector.ts';
import { startIssuer } from './issuer.ts';
import { startOrphanedRuns, type OrphanedRunDeps, type OrphanedRuns } from './orphaned-runs.ts';
import { createRunEndHandler, type RunEndHandler } from './run-end.ts';
import type { Watches } from './watches.ts';

/** What issues credentials, denies ended sessions at the cloud, and removes what has expired. */
export const startRunComponents = (
  config: AuthorityConfig,
  deps: ComponentDeps,
  {
    watches: { revocations },
    identification,
    emergencies,
  }: {
    readonly watches: Watches;
    readonly identification: CallerIdentification;
    readonly emergencies: Emergencies;
  },
) => {
  const { cluster, metrics, log, timings, tracing } = deps;
  const shared = buildSharedDeps(deps);
  const issuer = startIssuer(config, { ...shared, cluster, metrics, log, timings, tracing });
  const runEnd = createRunEndHandler(config, { ...shared, cluster, metrics, revocations, issuer });
  const garbageCollector = startGarbageCollector({
    ...shared,
    revocations,
    remove: cluster.revocations.remove,
    readPodUid: createPodUidReader(cluster),
    collectLeases: identification.useOnce.collect,
    approvalRequests: cluster.approvals,
    proposals: cluster.proposals,
    onApprovals: metrics.approvalsListed,
    emergencies,
    maxLifetimeSeconds: config.platform.tasks.maxLifetimeSeconds,
  });
  return { issuer, runEnd, garbageCollector };
};

const createPodUidReader =
  ({ identity }: Pick<ClusterClient, 'identity'>) =>
  async (place: { namespace: string; name: string }): Promise<string | undefined> => {
    const pod = await identity.readPod(place);
    return (pod as { readonly metadata?: { readonly uid?: string } } | undefined)?.metadata?.uid;
  };

/** What publishes the ends of runs, of those as well whose pods could not report it. */
export const startRunEnds = (
  config: AuthorityConfig,
  deps: ComponentDeps,
  {
    watches: { revocations },
    runEnd,
    databaseRoles,
  }: {
    readonly watches: Watches;
    readonly runEnd: RunEndHandler;
    readonly databaseRoles: DatabaseRoles;
  },
) => {
  const reportRunEnd: RunEndHandler['reportRunEnd'] = async (ended) => {
    const isPublished = runEnd.reportRunEnd(ended);
    await Promise.all([isPublished, databaseRoles.reportRunEnd(ended)]);
    return isPublished;
  };
  const orphanedRuns = startOrphans(config, deps, { revocations, reportRunEnd });
  const record = deps.tracing.wrap('exchange.record', deps.prerequisites.audit.record);
  const recordRun: Recorder = async (event) => {
    await record(event);
    orphanedRuns.observe(event);
  };
  return { reportRunEnd, record, recordRun, stop: orphanedRuns.stop };
};

/** What ends the runs of pods that could not report it. */
const startOrphans = (
  { platform: { authority } }: AuthorityConfig,
  deps: ComponentDeps,
  { revocations, reportRunEnd }: Pick<OrphanedRunDeps, 'revocations' | 'reportRunEnd'>,
): OrphanedRuns =>
  startOrphanedRuns({
    ...buildSharedDeps(deps),
    revocations,
    reportRunEnd,
    roles: authority.denyList?.roles ?? [],
    listRunningPods: deps.cluster.listRunningPods,
    onEnded: ({ run, namespace, pod }) =>
      deps.log.info('run of an ended pod ended', { run, namespace, pod }),
  });
