import { randomUUID } from 'node:crypto';

import type {
  StoredConfiguration,
  CertificateReconcilerDeps,
} from '../../lib/certificate/certificate-reconciler.ts';
import {
  AUDIT_HEADS_CONFIG_MAP,
  REVOCATIONS,
  TRUST_BUNDLE_CONFIG_MAP,
  CA_BUNDLE_KEY,
  GATEWAY_CA_KEY,
  TASK_POLICIES,
  UPSTREAMS,
} from '../../lib/contract/authority-api.ts';
import { INJECTED_LABEL, INJECTION_TEMPLATES_CONFIG_MAP } from '../../lib/contract/names.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import {
  loadClusterConfig,
  createKubernetesClient,
} from '../../lib/edge/kubernetes/kubernetes-client.ts';
import {
  createClusterJwksFetcher,
  readClusterIssuer,
} from '../../lib/edge/kubernetes/cluster-issuer.ts';
import { watchConfigMap } from '../../lib/edge/kubernetes/config-map-watch.ts';
import {
  createConfigMapStore,
  type ConfigMapStore,
} from '../../lib/edge/kubernetes/config-maps.ts';
import { watchCustomResources } from '../../lib/edge/kubernetes/custom-resource-watch.ts';
import {
  createCustomResourceClient,
  type CustomResourceKind,
  type CustomResourceClient,
} from '../../lib/edge/kubernetes/custom-resources.ts';
import {
  createApprovalStore,
  type ApprovalObjects,
} from '../../lib/edge/kubernetes/approval-store.ts';
import {
  createProposalStore,
  type ProposalObjects,
} from '../../lib/edge/kubernetes/proposal-store.ts';
import { createBufferedPool } from '../../lib/edge/http/buffered-pool.ts';
import { createApiClient } from '../../lib/edge/kubernetes/api-client.ts';
import { toOutcome } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { createPodReader } from '../../lib/edge/kubernetes/pod-reader.ts';
import { createNamespaceLabelReader } from '../../lib/edge/kubernetes/namespace-labels.ts';
import { readOwnUsername } from '../../lib/edge/kubernetes/self-subject-review.ts';
import { createPodEventEmitter, type EmitPodEvent } from '../../lib/edge/kubernetes/pod-events.ts';
import { createRunningPodLister, listPods } from '../../lib/edge/kubernetes/pod-list.ts';
import { createRoleLease, type RoleLease } from '../../lib/edge/kubernetes/role-lease.ts';
import { createSecretStore, type SecretStore } from '../../lib/edge/kubernetes/secrets.ts';
import {
  createServiceAccountReader,
  type ReadServiceAccount,
} from '../../lib/edge/kubernetes/service-accounts.ts';
import {
  createSourceSecretReader,
  type ReadSourceSecret,
} from '../../lib/edge/kubernetes/source-secrets.ts';
import { createUsedHandleLeaseStore } from '../../lib/edge/kubernetes/used-handle-leases.ts';
import { createTokenReviewer } from '../../lib/edge/kubernetes/token-reviews.ts';
import type { ReadNamespaceLabels, ReadPod } from '../../lib/identity/workload-identification.ts';
import type { FetchJwks } from '../../lib/identity/jwks-cache.ts';
import type { UsedHandleLeases } from '../../lib/identity/use-once.ts';
import type { ReviewToken } from '../../lib/identity/token-review.ts';
import type { AuthorityConfig } from './config.ts';
import type { StoredObject } from './stored-objects.ts';
import type { WatchTemplates } from './template-watch.ts';
import type { WatchResources } from './resource-watch.ts';

/** What the authority asks of the API server, bound to its own objects there. */
export type ClusterClient = {
  readonly certificate: Omit<CertificateReconcilerDeps, 'now' | 'onStep' | 'readClientBundles'>;
  /** Every pod that bears our label. */
  readonly listInjectedPods: () => AsyncIterable<Pod>;
  /** UIDs of every pod that bears our label and has not ended. */
  readonly listRunningPods: () => Promise<ReadonlySet<string>>;
  readonly keys: Pick<CertificateReconcilerDeps, 'readSecret' | 'replaceSecret'>;
  readonly auditSecret: SecretStore;
  readonly auditHeads: ConfigMapStore;
  readonly watchTemplates: WatchTemplates;
  readonly identity: {
    readonly fetchKeys: FetchJwks;
    readonly readIssuer: () => Promise<string>;
    readonly readPod: ReadPod;
    readonly reviewToken: ReviewToken;
    readonly readNamespaceLabels: ReadNamespaceLabels;
    readonly readServiceAccount: ReadServiceAccount;
    readonly usedHandleLeases: UsedHandleLeases;
  };
  readonly approvals: ApprovalObjects;
  readonly proposals: ProposalObjects;
  readonly emitPodEvent: EmitPodEvent;
  /** The authority's own name at the API server. */
  readonly readOwnName: () => Promise<string>;
  /** One replica at a time writes to a role. */
  readonly createRoleLease: (name: string, durationSeconds: number) => RoleLease;
  readonly watchPolicies: WatchResources<StoredObject>;
  readonly policies: CustomResourceClient;
  readonly watchUpstreams: WatchResources<StoredObject>;
  readonly upstreams: CustomResourceClient;
  /** Absent without `authority.secrets.namespace`. */
  readonly readSourceSecret?: ReadSourceSecret;
  readonly watchRevocations: WatchResources;
  readonly revocations: CustomResourceClient;
};

const POLICY: CustomResourceKind = { kind: 'TaskPolicy', plural: TASK_POLICIES };
const UPSTREAM: CustomResourceKind = { kind: 'Upstream', plural: UPSTREAMS };
const REVOCATION: CustomResourceKind = { kind: 'Revocation', plural: REVOCATIONS };

/** Opens the cluster that the authority runs in. */
export const createClusterClient = (
  config: AuthorityConfig,
  kubernetes = createKubernetesClient(loadClusterConfig(config.kubeconfig)),
): ClusterClient => {
  const { namespace, podName, caSecret, keysSecret, auditSecret, secretsNamespace } = config;
  const calls = createApiClient(kubernetes, { createPool: createBufferedPool });
  const templatesConfigMap = { namespace, name: INJECTION_TEMPLATES_CONFIG_MAP };
  const labelSelector = `${INJECTED_LABEL}=true`;
  const { now, monotonic } = { now: () => Date.now(), monotonic: () => performance.now() };
  return {
    certificate: {
      ...toSecretAccess(createSecretStore(kubernetes, { namespace, name: caSecret })),
      ...toTrustBundleAccess(
        createConfigMapStore(kubernetes, { namespace, name: TRUST_BUNDLE_CONFIG_MAP }),
      ),
    },
    listInjectedPods: () => listPods(kubernetes, labelSelector),
    listRunningPods: createRunningPodLister(calls, { labelSelector, now }),
    keys: toSecretAccess(createSecretStore(kubernetes, { namespace, name: keysSecret })),
    auditSecret: createSecretStore(kubernetes, { namespace, name: auditSecret }),
    auditHeads: createConfigMapStore(kubernetes, { namespace, name: AUDIT_HEADS_CONFIG_MAP }),
    watchTemplates: (handlers) =>
      watchConfigMap(kubernetes, { ...templatesConfigMap, ...handlers }),
    identity: {
      fetchKeys: createClusterJwksFetcher(calls),
      readIssuer: () => readClusterIssuer(calls),
      readPod: createPodReader(calls),
      reviewToken: createTokenReviewer(calls),
      readNamespaceLabels: createNamespaceLabelReader(calls, monotonic),
      readServiceAccount: createServiceAccountReader(calls, monotonic),
      usedHandleLeases: createUsedHandleLeaseStore(calls, namespace),
    },
    approvals: createApprovalStore(calls, now),
    proposals: createProposalStore(calls),
    emitPodEvent: createPodEventEmitter(calls, { replica: podName, now }),
    readOwnName: () => readOwnUsername(calls),
    createRoleLease: (name, durationSeconds) =>
      createRoleLease(calls, {
        namespace,
        name,
        durationSeconds,
        holder: `${podName}.${randomUUID()}`,
        clock: { now, monotonic },
      }),
    watchPolicies: (handlers) => watchCustomResources(kubernetes, { ...POLICY, ...handlers }),
    policies: createCustomResourceClient(calls, POLICY),
    watchUpstreams: (handlers) => watchCustomResources(kubernetes, { ...UPSTREAM, ...handlers }),
    upstreams: createCustomResourceClient(calls, UPSTREAM),
    ...(secretsNamespace !== '' && {
      readSourceSecret: createSourceSecretReader(calls, secretsNamespace),
    }),
    watchRevocations: (handlers) =>
      watchCustomResources(kubernetes, { ...REVOCATION, ...handlers }),
    revocations: createCustomResourceClient(calls, REVOCATION),
  };
};

const toSecretAccess = ({ read, replace }: SecretStore): ClusterClient['keys'] => ({
  readSecret: read,
  replaceSecret: replace,
});

/** The published roots, as the rounds of certificates know what trusts us. */
const toTrustBundleAccess = (
  store: ConfigMapStore,
): Pick<CertificateReconcilerDeps, 'readConfigurations' | 'writeBundle'> => ({
  readConfigurations: async () => [toConfiguration(await store.read())],
  writeBundle: ({ resourceVersion }, bundle) => {
    const data = { [CA_BUNDLE_KEY]: bundle, [GATEWAY_CA_KEY]: bundle };
    const written = store.change({ data, resourceVersion });
    return toOutcome(written, 'written', { conflict: 'conflict', notFound: 'conflict' });
  },
});

const toConfiguration = ({
  resourceVersion,
  data,
}: {
  readonly resourceVersion: string;
  readonly data: Readonly<Record<string, string>>;
}): StoredConfiguration => ({
  id: TRUST_BUNDLE_CONFIG_MAP,
  resourceVersion,
  webhooks: [CA_BUNDLE_KEY, GATEWAY_CA_KEY].map((name) => ({ name, caBundle: data[name] ?? '' })),
});
