import { randomUUID } from 'node:crypto';

import type { StoredConfiguration, RoundEdges } from '../../lib/certificate/round.ts';
import {
  AUDIT_HEADS_CONFIG_MAP,
  REVOCATIONS,
  ROOTS_CONFIG_MAP,
  ROOTS_KEY,
  TASK_POLICIES,
} from '../../lib/contract/authority.ts';
import { INJECTED_LABEL, PROFILES_CONFIG_MAP } from '../../lib/contract/names.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import { accessBy, openKubernetes } from '../../lib/edge/kubernetes/client.ts';
import { openClusterKeys, readClusterIssuer } from '../../lib/edge/kubernetes/cluster-issuer.ts';
import { watchConfigMap } from '../../lib/edge/kubernetes/config-map-watch.ts';
import { openConfigMap, type ConfigMapStore } from '../../lib/edge/kubernetes/config-maps.ts';
import { watchCustomResources } from '../../lib/edge/kubernetes/custom-resource-watch.ts';
import {
  openCustomResources,
  type CustomKind,
  type CustomResources,
} from '../../lib/edge/kubernetes/custom-resources.ts';
import { openDirectCalls } from '../../lib/edge/kubernetes/direct-calls.ts';
import { unless } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { openLivePods } from '../../lib/edge/kubernetes/live-pods.ts';
import { openNamespaceLabels } from '../../lib/edge/kubernetes/namespace-labels.ts';
import { readOwnName } from '../../lib/edge/kubernetes/own-name.ts';
import { openPodEvents, type TellPod } from '../../lib/edge/kubernetes/pod-events.ts';
import { listPods } from '../../lib/edge/kubernetes/pods.ts';
import { openRoleLease, type RoleLease } from '../../lib/edge/kubernetes/role-lease.ts';
import { openSecret, type SecretStore } from '../../lib/edge/kubernetes/secrets.ts';
import {
  openServiceAccounts,
  type ReadServiceAccount,
} from '../../lib/edge/kubernetes/service-accounts.ts';
import { openSpentLeases } from '../../lib/edge/kubernetes/spent-leases.ts';
import { openTokenReviews } from '../../lib/edge/kubernetes/token-reviews.ts';
import type { ReadNamespaceLabels, ReadPod } from '../../lib/identity/identification.ts';
import type { FetchJwks } from '../../lib/identity/keys.ts';
import type { SpentLeases } from '../../lib/identity/spending.ts';
import type { ReviewToken } from '../../lib/identity/token-review.ts';
import type { AuthorityConfig } from './config.ts';
import type { StoredPolicy } from './policy-status.ts';
import type { WatchProfiles } from './profiles.ts';
import type { WatchAll } from './watching.ts';

/** What the authority asks of the API server, bound to its own objects there. */
export type Cluster = {
  readonly certificate: Omit<RoundEdges, 'now' | 'onStep' | 'readDependents'>;
  /** Every pod that bears our label. */
  readonly injectedPods: () => AsyncIterable<Pod>;
  readonly keys: Pick<RoundEdges, 'readSecret' | 'createSecret' | 'replaceSecret'>;
  readonly auditSecret: SecretStore;
  readonly auditHeads: ConfigMapStore;
  readonly watchProfiles: WatchProfiles;
  readonly identity: {
    readonly fetchKeys: FetchJwks;
    readonly readIssuer: () => Promise<string>;
    readonly readPod: ReadPod;
    readonly reviewToken: ReviewToken;
    readonly readNamespaceLabels: ReadNamespaceLabels;
    readonly readServiceAccount: ReadServiceAccount;
    readonly spentLeases: SpentLeases;
  };
  readonly tellPod: TellPod;
  /** The authority's own name at the API server. */
  readonly readOwnName: () => Promise<string>;
  /** One replica at a time writes to a role. */
  readonly roleLease: (name: string, durationSeconds: number) => RoleLease;
  readonly watchPolicies: WatchAll<StoredPolicy>;
  readonly policies: CustomResources;
  readonly watchRevocations: WatchAll;
  readonly revocations: CustomResources;
};

const POLICY: CustomKind = { kind: 'TaskPolicy', plural: TASK_POLICIES };
const REVOCATION: CustomKind = { kind: 'Revocation', plural: REVOCATIONS };

/** Opens the cluster that the authority runs in. */
export const openCluster = (
  { namespace, podName, caSecret, keysSecret, auditSecret, kubeconfig }: AuthorityConfig,
  kubernetes = openKubernetes(accessBy(kubeconfig)),
): Cluster => {
  const calls = openDirectCalls(kubernetes);
  const profiles = { namespace, name: PROFILES_CONFIG_MAP };
  const { now, monotonic } = { now: () => Date.now(), monotonic: () => performance.now() };
  return {
    certificate: {
      ...secretOf(openSecret(kubernetes, { namespace, name: caSecret })),
      ...rootsOf(openConfigMap(kubernetes, { namespace, name: ROOTS_CONFIG_MAP })),
    },
    injectedPods: () => listPods(kubernetes, `${INJECTED_LABEL}=true`),
    keys: secretOf(openSecret(kubernetes, { namespace, name: keysSecret })),
    auditSecret: openSecret(kubernetes, { namespace, name: auditSecret }),
    auditHeads: openConfigMap(kubernetes, { namespace, name: AUDIT_HEADS_CONFIG_MAP }),
    watchProfiles: (handlers) => watchConfigMap(kubernetes, { ...profiles, ...handlers }),
    identity: {
      fetchKeys: openClusterKeys(calls),
      readIssuer: () => readClusterIssuer(calls),
      readPod: openLivePods(calls),
      reviewToken: openTokenReviews(calls),
      readNamespaceLabels: openNamespaceLabels(calls, monotonic),
      readServiceAccount: openServiceAccounts(calls, monotonic),
      spentLeases: openSpentLeases(calls, namespace),
    },
    tellPod: openPodEvents(calls, { replica: podName, now }),
    readOwnName: () => readOwnName(calls),
    roleLease: (name, durationSeconds) =>
      openRoleLease(calls, {
        ...{ namespace, name, durationSeconds },
        holder: `${podName}.${randomUUID()}`,
        clock: { now, monotonic },
      }),
    watchPolicies: (handlers) => watchCustomResources(kubernetes, { ...POLICY, ...handlers }),
    policies: openCustomResources(calls, POLICY),
    watchRevocations: (handlers) =>
      watchCustomResources(kubernetes, { ...REVOCATION, ...handlers }),
    revocations: openCustomResources(calls, REVOCATION),
  };
};

const secretOf = ({ read, create, replace }: SecretStore): Cluster['keys'] => ({
  readSecret: read,
  createSecret: create,
  replaceSecret: replace,
});

/** The published roots, as the rounds of certificates know what trusts us. */
const rootsOf = (
  store: ConfigMapStore,
): Pick<RoundEdges, 'readConfigurations' | 'writeBundle'> => ({
  readConfigurations: async () => {
    const found = await store.read();
    if (found !== undefined) return [toConfiguration(found)];
    await store.create();
    return [toConfiguration((await store.read()) ?? { resourceVersion: '', data: {} })];
  },
  writeBundle: ({ resourceVersion }, bundle) => {
    const written = store.change({ data: { [ROOTS_KEY]: bundle }, resourceVersion });
    return unless(
      ['conflict', 'notFound'],
      written.then(() => 'written' as const),
      'conflict' as const,
    );
  },
});

const toConfiguration = ({
  resourceVersion,
  data,
}: {
  readonly resourceVersion: string;
  readonly data: Readonly<Record<string, string>>;
}): StoredConfiguration => ({
  id: ROOTS_CONFIG_MAP,
  resourceVersion,
  webhooks: [{ name: ROOTS_KEY, caBundle: data[ROOTS_KEY] ?? '' }],
});
