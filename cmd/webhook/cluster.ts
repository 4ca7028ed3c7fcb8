import type { RoundEdges, StoredConfiguration } from '../../lib/certificate/round.ts';
import { ROOTS_CONFIG_MAP, TASK_POLICIES } from '../../lib/contract/authority.ts';
import { INJECTED_LABEL, PROFILES_CONFIG_MAP } from '../../lib/contract/names.ts';
import { accessBy, openKubernetes } from '../../lib/edge/kubernetes/client.ts';
import { watchConfigMap } from '../../lib/edge/kubernetes/config-map-watch.ts';
import { openConfigMap } from '../../lib/edge/kubernetes/config-maps.ts';
import { watchCustomResources } from '../../lib/edge/kubernetes/custom-resource-watch.ts';
import { openDirectCalls } from '../../lib/edge/kubernetes/direct-calls.ts';
import { openNamespaceLabels } from '../../lib/edge/kubernetes/namespace-labels.ts';
import { listPods } from '../../lib/edge/kubernetes/pods.ts';
import { openSecret } from '../../lib/edge/kubernetes/secrets.ts';
import {
  openServiceAccounts,
  type ReadServiceAccount,
} from '../../lib/edge/kubernetes/service-accounts.ts';
import { openWebhookConfigurations } from '../../lib/edge/kubernetes/webhook-configurations.ts';
import type { ReadNamespaceLabels } from '../../lib/identity/identification.ts';
import type { WebhookConfig } from './config.ts';
import type { PoliciesEdges } from './policies.ts';
import type { ProfilesEdges } from './profiles.ts';

/** What the webhook asks of the API server, bound to its own objects there. */
export type Cluster = {
  readonly certificate: Omit<RoundEdges, 'now' | 'onStep'>;
  readonly readConfigurations: () => Promise<readonly StoredConfiguration[]>;
  readonly profiles: Pick<ProfilesEdges, 'store' | 'watch' | 'livePods'>;
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly readServiceAccount: ReadServiceAccount;
  /** What follows is for `trust: authority`. */
  readonly watchRoots: ProfilesEdges['watch'];
  readonly watchPolicies: PoliciesEdges['watch'];
};

/** Opens the cluster that the webhook runs in. */
export const openCluster = (
  { namespace, caSecret, configuration, kubeconfig }: WebhookConfig,
  kubernetes = openKubernetes(accessBy(kubeconfig)),
): Cluster => {
  const secret = openSecret(kubernetes, { namespace, name: caSecret });
  const configurations = openWebhookConfigurations(kubernetes, configuration);
  const place = { namespace, name: PROFILES_CONFIG_MAP };
  const roots = { namespace, name: ROOTS_CONFIG_MAP };
  const policies = { kind: 'TaskPolicy', plural: TASK_POLICIES } as const;
  const calls = openDirectCalls(kubernetes);
  const monotonic = () => performance.now();
  return {
    certificate: {
      readSecret: secret.read,
      createSecret: secret.create,
      replaceSecret: secret.replace,
      readConfigurations: configurations.read,
      writeBundle: configurations.writeBundle,
    },
    readConfigurations: configurations.read,
    profiles: {
      store: openConfigMap(kubernetes, place),
      watch: (handlers) => watchConfigMap(kubernetes, { ...place, ...handlers }),
      livePods: () => listPods(kubernetes, `${INJECTED_LABEL}=true`),
    },
    watchRoots: (handlers) => watchConfigMap(kubernetes, { ...roots, ...handlers }),
    watchPolicies: (handlers) => watchCustomResources(kubernetes, { ...policies, ...handlers }),
    readNamespaceLabels: openNamespaceLabels(calls, monotonic),
    readServiceAccount: openServiceAccounts(calls, monotonic),
  };
};
