import type {
  CertificateReconcilerDeps,
  StoredConfiguration,
} from '../../lib/certificate/certificate-reconciler.ts';
import {
  TRUST_BUNDLE_CONFIG_MAP,
  TASK_POLICIES,
  UPSTREAMS,
} from '../../lib/contract/authority-api.ts';
import { INJECTED_LABEL, INJECTION_TEMPLATES_CONFIG_MAP } from '../../lib/contract/names.ts';
import {
  loadClusterConfig,
  createKubernetesClient,
} from '../../lib/edge/kubernetes/kubernetes-client.ts';
import { watchConfigMap } from '../../lib/edge/kubernetes/config-map-watch.ts';
import { createConfigMapStore } from '../../lib/edge/kubernetes/config-maps.ts';
import { watchCustomResources } from '../../lib/edge/kubernetes/custom-resource-watch.ts';
import { createApiClient } from '../../lib/edge/kubernetes/api-client.ts';
import { createNamespaceLabelReader } from '../../lib/edge/kubernetes/namespace-labels.ts';
import { listPods } from '../../lib/edge/kubernetes/pod-list.ts';
import { createSecretStore } from '../../lib/edge/kubernetes/secrets.ts';
import {
  createServiceAccountReader,
  type ReadServiceAccount,
} from '../../lib/edge/kubernetes/service-accounts.ts';
import { createWebhookConfigurationStore } from '../../lib/edge/kubernetes/webhook-configurations.ts';
import type { ReadNamespaceLabels } from '../../lib/identity/workload-identification.ts';
import type { WebhookConfig } from './config.ts';
import type { PolicyWatchDeps } from './policy-watch.ts';
import type { TemplateRegistryDeps } from './template-registry.ts';

/** The webhook's calls to the API server, bound to its own objects. */
export type ClusterClient = {
  readonly certificate: Omit<CertificateReconcilerDeps, 'now' | 'onStep'>;
  readonly readConfigurations: () => Promise<readonly StoredConfiguration[]>;
  readonly templates: Pick<TemplateRegistryDeps, 'store' | 'watch' | 'listInjectedPods'>;
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly readServiceAccount: ReadServiceAccount;
  /** Only for `trust: authority`, like the next one. */
  readonly watchTrustBundle: TemplateRegistryDeps['watch'];
  readonly watchPolicies: PolicyWatchDeps['watch'];
  readonly watchUpstreams: PolicyWatchDeps['watch'];
};

/** Creates the clients for the cluster that the webhook runs in. */
export const createClusterClient = (
  { namespace, caSecret, configuration, kubeconfig }: WebhookConfig,
  kubernetes = createKubernetesClient(loadClusterConfig(kubeconfig)),
): ClusterClient => {
  const secret = createSecretStore(kubernetes, { namespace, name: caSecret });
  const configurations = createWebhookConfigurationStore(kubernetes, configuration);
  const templatesConfigMap = { namespace, name: INJECTION_TEMPLATES_CONFIG_MAP };
  const trustBundle = { namespace, name: TRUST_BUNDLE_CONFIG_MAP };
  const policies = { kind: 'TaskPolicy', plural: TASK_POLICIES } as const;
  const upstreams = { kind: 'Upstream', plural: UPSTREAMS } as const;
  const calls = createApiClient(kubernetes);
  const monotonic = () => performance.now();
  return {
    certificate: {
      readSecret: secret.read,
      replaceSecret: secret.replace,
      readConfigurations: configurations.read,
      writeBundle: configurations.writeBundle,
    },
    readConfigurations: configurations.read,
    templates: {
      store: createConfigMapStore(kubernetes, templatesConfigMap),
      watch: (handlers) => watchConfigMap(kubernetes, { ...templatesConfigMap, ...handlers }),
      listInjectedPods: () => listPods(kubernetes, `${INJECTED_LABEL}=true`),
    },
    watchTrustBundle: (handlers) => watchConfigMap(kubernetes, { ...trustBundle, ...handlers }),
    watchPolicies: (handlers) => watchCustomResources(kubernetes, { ...policies, ...handlers }),
    watchUpstreams: (handlers) => watchCustomResources(kubernetes, { ...upstreams, ...handlers }),
    readNamespaceLabels: createNamespaceLabelReader(calls, monotonic),
    readServiceAccount: createServiceAccountReader(calls, monotonic),
  };
};
