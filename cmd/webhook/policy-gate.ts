import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import type { WebhookMetrics } from '../../lib/edge/telemetry/webhook-metrics.ts';
import type { FindUpstreamUrl } from '../../lib/injection/client-environment.ts';
import { createTaskPolicyEvaluator, type EvaluatePolicy } from '../../lib/injection/task-policy.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import { cacheDecisions } from './cached-decisions.ts';
import type { ClusterClient } from './cluster.ts';
import { watchPolicies, type PolicyWatch, type PolicyWatchDeps } from './policy-watch.ts';
import { admitPolicy } from './policy-admission.ts';
import { admitUpstream, isUpstream } from './upstream-admission.ts';
import { createWatchSync } from '../../lib/server/watch-sync.ts';
import { watchUpstreams } from './upstream-watch.ts';
import type { AdmissionRouteDeps } from './routes.ts';

/** Everything that needs Cedar, which is loaded only under `trust: authority`. */
export type PolicyGate = Pick<PolicyWatch, 'isLoaded' | 'stop'> & {
  readonly evaluatePolicy: EvaluatePolicy;
  readonly findUpstreamUrl: FindUpstreamUrl;
  readonly admitPolicy: AdmissionRouteDeps['admitPolicy'];
};

/** Watches the TaskPolicies and evaluates tasks by them. */
export const createPolicyGate = (
  settings: { readonly platform: Platform; readonly authority: AuthoritySettings },
  deps: {
    readonly cluster: Pick<
      ClusterClient,
      'watchPolicies' | 'watchUpstreams' | 'readNamespaceLabels'
    >;
    readonly loadCatalog: LoadCatalog;
    readonly clock: Pick<Clock, 'now' | 'monotonic'>;
    readonly metrics: Pick<WebhookMetrics, 'policyTasksQueued'>;
  } & Pick<PolicyWatchDeps, 'sync' | 'log' | 'random'>,
): PolicyGate => {
  const { cluster, loadCatalog, clock, metrics, sync, log, random } = deps;
  const staleAfterSeconds = settings.authority.policyMaxStalenessSeconds;
  const watch = cluster.watchPolicies;
  const policies = watchPolicies({ watch, staleAfterSeconds, sync, log, random });
  const upstreams = watchUpstreams({
    watch: cluster.watchUpstreams,
    staleAfterSeconds,
    log,
    random,
    sync: createWatchSync(clock),
  });
  const { readNamespaceLabels } = cluster;
  const { vend } = settings.platform.policy;
  return {
    isLoaded: policies.isLoaded,
    stop: () => {
      policies.stop();
      upstreams.stop();
    },
    evaluatePolicy: createTaskPolicyEvaluator({
      platform: settings.platform,
      authority: settings.authority,
      readPolicies: policies.current,
      readUpstreams: upstreams.current,
      readNamespaceLabels,
      now: clock.now,
      evaluateTask: cacheDecisions(
        (compiled, request) =>
          evaluateAdmissionPolicy({ policies: compiled, loadCatalog }, request),
        metrics.policyTasksQueued,
      ),
    }),
    findUpstreamUrl: (name) => {
      const known = upstreams.current();
      const found = 'unknown' in known ? undefined : known.get(name);
      return found?.kind === 'http' ? found.rules.url : undefined;
    },
    admitPolicy: (request) =>
      Promise.resolve(
        isUpstream(request)
          ? admitUpstream(request)
          : admitPolicy(request, { vend, now: clock.now }),
      ),
  };
};
