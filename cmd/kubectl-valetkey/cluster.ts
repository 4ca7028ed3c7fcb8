import {
  REVOCATIONS,
  TASK_POLICIES,
  UPSTREAMS,
  type RevocationSpec,
} from '../../lib/contract/authority-api.ts';
import {
  createApprovalClient,
  type ApprovalClient,
} from '../../lib/edge/kubernetes/approval-client.ts';
import {
  createProposalStore,
  type ProposalObjects,
} from '../../lib/edge/kubernetes/proposal-store.ts';
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
import { withRefusalReasons } from '../../lib/edge/kubernetes/refusal-reasons.ts';
import {
  checkOwnAccess,
  readOwnUsername,
  type AccessQuestion,
} from '../../lib/edge/kubernetes/self-subject-review.ts';
import {
  createNamespaceObjects,
  type NamespaceObjects,
} from '../../lib/edge/kubernetes/namespace-objects.ts';
import { readPodLog, type PodLog, type PodLogRequest } from '../../lib/edge/kubernetes/pod-log.ts';
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
    /** Name of the kubeconfig's context. */
    readonly context: string;
    readonly installedIn: string;
    readonly listPolicies: () => Promise<readonly CustomResource[]>;
    /** Undefined: it does not exist. */
    readonly readPolicy: (name: string) => Promise<CustomResource | undefined>;
    readonly listUpstreams: () => Promise<readonly CustomResource[]>;
    readonly listRevocations: () => Promise<readonly CustomResource[]>;
    /** Undefined: it does not exist. */
    readonly readRevocation: (name: string) => Promise<CustomResource | undefined>;
    /** Deletes the object of this UID. */
    readonly removeRevocation: (name: string, uid: string) => Promise<'removed' | 'gone'>;
    readonly createRevocation: (
      name: string,
      spec: RevocationSpec,
    ) => Promise<'created' | 'exists'>;
    readonly readOwnName: () => Promise<string>;
    /** Whether RBAC gives the user a right; admission may still refuse. */
    readonly checkAccess: (question: AccessQuestion) => Promise<boolean>;
    /** The log of one replica of the authority. */
    readonly readAuthorityLog: (
      request: Pick<PodLogRequest, 'pod' | 'windowSeconds' | 'maxBytes' | 'now'>,
    ) => Promise<PodLog>;
    /** Ordinary objects of one namespace. */
    readonly inNamespace: (namespace: string) => NamespaceObjects;
    readonly approvals: ApprovalClient;
    readonly proposals: Pick<ProposalObjects, 'list' | 'listAll' | 'read' | 'dismiss'>;
    readonly readPod: ReadPod;
    readonly readNamespaceLabels: ReadNamespaceLabels;
    readonly readServiceAccount: ReadServiceAccount;
  };

/** Of the authority's pods. */
const AUTHORITY_CONTAINER = 'authority';
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
  const calls = withRefusalReasons(createApiClient(kubernetes.value, { timeoutMs: TIMEOUT_MS }));
  const monotonic = () => performance.now();
  const policies = createCustomResourceClient(calls, { kind: 'TaskPolicy', plural: TASK_POLICIES });
  const upstreams = createCustomResourceClient(calls, { kind: 'Upstream', plural: UPSTREAMS });
  const revocations = createCustomResourceClient(calls, {
    kind: 'Revocation',
    plural: REVOCATIONS,
  });
  return {
    ...createInstallationReader(calls, installedIn),
    ...createClusterFactsReader(calls, installedIn),
    namespace,
    context: kubernetes.value.config.getCurrentContext(),
    installedIn,
    readPolicy: policies.read,
    readRevocation: revocations.read,
    removeRevocation: revocations.remove,
    checkAccess: (question) => checkOwnAccess(calls, question),
    readAuthorityLog: (request) =>
      readPodLog(calls, { ...request, namespace: installedIn, container: AUTHORITY_CONTAINER }),
    listPolicies: async () => (await policies.list()).items,
    listUpstreams: async () => (await upstreams.list()).items,
    listRevocations: async () => (await revocations.list()).items,
    createRevocation: (name, spec) => revocations.create(name, spec),
    readOwnName: () => readOwnUsername(calls),
    inNamespace: (name) => createNamespaceObjects(calls, name),
    approvals: createApprovalClient(calls),
    proposals: createProposalStore(calls),
    readPod: createPodReader(calls),
    readNamespaceLabels: createNamespaceLabelReader(calls, monotonic),
    readServiceAccount: createServiceAccountReader(calls, monotonic),
  };
};
