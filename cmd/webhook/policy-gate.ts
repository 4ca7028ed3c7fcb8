import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import type { EvaluatePolicy } from '../../lib/injection/admission-deps.ts';
import type { ClusterClient } from './cluster.ts';
import { watchPolicies, type PolicyWatch, type PolicyWatchDeps } from './policy-watch.ts';
import { admitPolicy } from './policy-admission.ts';
import type { AdmissionRouteDeps } from './routes.ts';
import { createTaskChecker } from './task-judgement.ts';

/** All that stands on Cedar, which is loaded under `trust: authority` only. */
export type PolicyGate = Pick<PolicyWatch, 'isLoaded' | 'ageSeconds' | 'stop'> & {
  readonly checkTasks: EvaluatePolicy;
  readonly admitPolicy: AdmissionRouteDeps['admitPolicy'];
};

export const createPolicyGate = (
  settings: { readonly platform: Platform; readonly authority: AuthoritySettings },
  parts: {
    readonly cluster: Pick<ClusterClient, 'watchPolicies' | 'readNamespaceLabels'>;
    readonly loadCatalog: LoadCatalog;
  } & Pick<PolicyWatchDeps, 'log' | 'clock' | 'random'>,
): PolicyGate => {
  const { cluster, loadCatalog, log, clock, random } = parts;
  const staleAfterSeconds = settings.authority.policyMaxStalenessSeconds;
  const watch = cluster.watchPolicies;
  const policies = watchPolicies({ watch, staleAfterSeconds, log, clock, random });
  const { readNamespaceLabels } = cluster;
  return {
    ...policies,
    checkTasks: createTaskChecker({ ...settings, policies, readNamespaceLabels, loadCatalog }),
    admitPolicy: (request) => Promise.resolve(admitPolicy(request)),
  };
};
