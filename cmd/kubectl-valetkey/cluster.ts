import {
  REVOCATIONS,
  TASK_POLICIES,
  type RevocationSpec,
} from '../../lib/contract/authority-api.ts';
import { createApiClient } from '../../lib/edge/kubernetes/api-client.ts';
import {
  createClusterFactsReader,
  type ClusterFactsReader,
} from '../../lib/edge/kubernetes/cluster-facts.ts';
import {
  createCustomResourceClient,
  type CustomResource,
} from '../../lib/edge/kubernetes/custom-resources.ts';
import {
  createInstallationReader,
  type InstallationReader,
} from '../../lib/edge/kubernetes/installation.ts';
import { loadUserCluster } from '../../lib/edge/kubernetes/kubeconfig.ts';
import { createPodReader } from '../../lib/edge/kubernetes/pod-reader.ts';
import { createNamespaceLabelReader } from '../../lib/edge/kubernetes/namespace-labels.ts';
import {
  createServiceAccountReader,
  type ReadServiceAccount,
} from '../../lib/edge/kubernetes/service-accounts.ts';
import { readOwnUsername } from '../../lib/edge/kubernetes/self-subject-review.ts';
import type { ReadNamespaceLabels, ReadPod } from '../../lib/identity/workload-identification.ts';
import { createUsageError } from './tool-error.ts';

/** Options of the command line that select the cluster. */
export type ClusterOptions = {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Namespace that Valetkey is installed in. */
  readonly installedIn: string;
};

/** Requests of the commands to the API server. Every function throws KubernetesError. */
export type ClusterClient = InstallationReader &
  ClusterFactsReader & {
    /** Namespace of the kubeconfig's context. */
    readonly namespace: string;
    readonly installedIn: string;
    readonly listPolicies: () => Promise<readonly CustomResource[]>;
    readonly listRevocations: () => Promise<readonly CustomResource[]>;
    readonly createRevocation: (
      name: string,
      spec: RevocationSpec,
    ) => Promise<'created' | 'exists'>;
    readonly readOwnName: () => Promise<string>;
    readonly readPod: ReadPod;
    readonly readNamespaceLabels: ReadNamespaceLabels;
    readonly readServiceAccount: ReadServiceAccount;
  };

/** Long enough for a slow, distant API server; short enough for an interactive command. */
const TIMEOUT_MS = 15_000;

/**
 * Creates the client for the cluster of the kubeconfig.
 *
 * @throws ToolError for an invalid kubeconfig or context
 */
export const createClusterClient = ({ installedIn, ...access }: ClusterOptions): ClusterClient => {
  const kubernetes = loadUserCluster(access);
  if (!kubernetes.ok) throw createUsageError(kubernetes.faults);
  const { namespace } = kubernetes.value;
  const calls = createApiClient(kubernetes.value, TIMEOUT_MS);
  const monotonic = () => performance.now();
  const policies = createCustomResourceClient(calls, { kind: 'TaskPolicy', plural: TASK_POLICIES });
  const revocations = createCustomResourceClient(calls, {
    kind: 'Revocation',
    plural: REVOCATIONS,
  });
  return {
    ...createInstallationReader(calls, installedIn),
    ...createClusterFactsReader(calls, installedIn),
    namespace,
    installedIn,
    listPolicies: async () => (await policies.list()).items,
    listRevocations: async () => (await revocations.list()).items,
    createRevocation: (name, spec) => revocations.create(name, spec),
    readOwnName: () => readOwnUsername(calls),
    readPod: createPodReader(calls),
    readNamespaceLabels: createNamespaceLabelReader(calls, monotonic),
    readServiceAccount: createServiceAccountReader(calls, monotonic),
  };
};
