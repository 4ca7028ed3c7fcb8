import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import type { JudgeTasks } from '../../lib/injection/admission-settings.ts';
import type { Cluster } from './cluster.ts';
import { watchPolicies, type Policies, type PoliciesEdges } from './policies.ts';
import { admitPolicy } from './policy-admission.ts';
import type { RouteSettings } from './routes.ts';
import { judgeTasksBy } from './task-judgement.ts';

/** All that stands on Cedar, which is loaded under `trust: authority` only. */
export type PolicyGate = Pick<Policies, 'isKnown' | 'ageSeconds' | 'stop'> & {
  readonly judgeTasks: JudgeTasks;
  readonly admitPolicy: RouteSettings['admitPolicy'];
};

export const openPolicyGate = (
  settings: { readonly platform: Platform; readonly authority: AuthoritySettings },
  parts: {
    readonly cluster: Pick<Cluster, 'watchPolicies' | 'readNamespaceLabels'>;
    readonly loadCatalogue: LoadCatalogue;
  } & Pick<PoliciesEdges, 'log' | 'clock' | 'random'>,
): PolicyGate => {
  const { cluster, loadCatalogue, log, clock, random } = parts;
  const staleAfterSeconds = settings.authority.policyStaleAfterSeconds;
  const watch = cluster.watchPolicies;
  const policies = watchPolicies({ watch, staleAfterSeconds, log, clock, random });
  const { readNamespaceLabels } = cluster;
  return {
    ...policies,
    judgeTasks: judgeTasksBy({ ...settings, policies, readNamespaceLabels, loadCatalogue }),
    admitPolicy: (request) => Promise.resolve(admitPolicy(request)),
  };
};
