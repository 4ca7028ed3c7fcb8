import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { compilePolicies, type CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { createWatchSync, type WatchSync } from '../../lib/server/watch-sync.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import type { OnFailure } from './failures.ts';
import { startIssuerLookup, type IssuerLookup } from './issuer-lookup.ts';
import type { RevocationMemory } from './revocation-memory.ts';
import { watchRevocations, type RevocationWatch } from './revocation-watch.ts';
import { refuseToRead } from './secret-sources.ts';
import { createProbe } from './upstream-status.ts';
import { watchUpstreams, type UpstreamWatch } from './upstream-watch.ts';
import { watchTaskPolicies, type TaskPolicies } from './task-policies.ts';
import { watchPublishedTemplates, type TemplateWatch } from './template-watch.ts';

/** When each watch last synced. They exist before the watches, so that metrics can report them. */
export type WatchSyncs = Readonly<
  Record<'templates' | 'policies' | 'revocations' | 'upstreams', WatchSync>
>;

export const createWatchSyncs = (clock: Clock): WatchSyncs => ({
  templates: createWatchSync(clock),
  policies: createWatchSync(clock),
  revocations: createWatchSync(clock),
  upstreams: createWatchSync(clock),
});

/** What the authority reads continuously from the API server. */
export type Watches = {
  readonly templates: TemplateWatch;
  readonly policies: TaskPolicies<CompiledPolicies>;
  readonly revocations: RevocationWatch;
  readonly upstreams: UpstreamWatch;
  readonly issuerLookup: IssuerLookup;
};

export type WatchDeps = {
  readonly cluster: ClusterClient;
  readonly metrics: Pick<
    AuthorityMetrics,
    'taskPoliciesCounted' | 'policyExceptions' | 'revocationsCounted' | 'upstreamsChecked'
  >;
  readonly syncs: WatchSyncs;
  readonly revocationMemory: RevocationMemory;
  readonly record: Recorder;
  /** The authority's own name at the API server. */
  readonly by: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  readonly send: SendToEndpoint;
};

export const startWatches = ({ platform }: AuthorityConfig, deps: WatchDeps): Watches => {
  const { cluster, metrics, syncs, record, by, log, clock, random, onFailure, send } = deps;
  return {
    templates: watchPublishedTemplates(cluster.watchTemplates, {
      sync: syncs.templates,
      random,
      log,
    }),
    policies: watchTaskPolicies({
      sync: syncs.policies,
      watch: cluster.watchPolicies,
      compile: compilePolicies,
      writeStatus: cluster.policies.writeStatus,
      staleAfterSeconds: platform.authority.policyMaxStalenessSeconds,
      record,
      clock,
      random,
      onFailure,
      onCount: metrics.taskPoliciesCounted,
      // Under `free` no permit stops to count.
      onExceptions: platform.policy.vend === 'free' ? () => undefined : metrics.policyExceptions,
    }),
    revocations: watchRevocations({
      sync: syncs.revocations,
      watch: cluster.watchRevocations,
      memory: deps.revocationMemory,
      by,
      record,
      clock,
      random,
      onFailure,
      onCount: metrics.revocationsCounted,
      create: cluster.revocations.create,
      maxLifetimeSeconds: platform.tasks.maxLifetimeSeconds,
      onLost: (count) =>
        log.warn('the cluster was restored: lost revocations are created again', { count }),
    }),
    upstreams: watchUpstreams({
      sync: syncs.upstreams,
      watch: cluster.watchUpstreams,
      staleAfterSeconds: platform.authority.policyMaxStalenessSeconds,
      random,
      onFailure,
      status: {
        readSourceSecret: cluster.readSourceSecret ?? refuseToRead,
        probe: createProbe(send),
        writeStatus: cluster.upstreams.writeStatus,
        metrics,
        clock,
        random,
        onFailure,
      },
    }),
    issuerLookup: startIssuerLookup({ readIssuer: cluster.identity.readIssuer, random, log }),
  };
};
