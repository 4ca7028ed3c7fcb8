import { REVOCATIONS, TASK_POLICIES, type RevocationSpec } from '../../lib/contract/authority.ts';
import { openDirectCalls } from '../../lib/edge/kubernetes/direct-calls.ts';
import {
  openCustomResources,
  type CustomResource,
} from '../../lib/edge/kubernetes/custom-resources.ts';
import { openInstallation, type Installation } from '../../lib/edge/kubernetes/installation.ts';
import { openPersonalCluster } from '../../lib/edge/kubernetes/kube-config.ts';
import { openLivePods } from '../../lib/edge/kubernetes/live-pods.ts';
import { openNamespaceLabels } from '../../lib/edge/kubernetes/namespace-labels.ts';
import {
  openServiceAccounts,
  type ReadServiceAccount,
} from '../../lib/edge/kubernetes/service-accounts.ts';
import { readOwnName } from '../../lib/edge/kubernetes/own-name.ts';
import type { ReadNamespaceLabels, ReadPod } from '../../lib/identity/identification.ts';
import { wrongUsage } from './tool-error.ts';

/** Where the cluster is, as the command line says it. */
export type ClusterOptions = {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Namespace that Valetkey is installed in. */
  readonly installedIn: string;
};

/** What the commands ask of the API server; every function throws KubernetesError. */
export type Cluster = Installation & {
  /** Of the kubeconfig's context. */
  readonly namespace: string;
  readonly installedIn: string;
  readonly listPolicies: () => Promise<readonly CustomResource[]>;
  readonly listRevocations: () => Promise<readonly CustomResource[]>;
  readonly createRevocation: (name: string, spec: RevocationSpec) => Promise<'created' | 'exists'>;
  readonly readOwnName: () => Promise<string>;
  readonly readPod: ReadPod;
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly readServiceAccount: ReadServiceAccount;
};

/** A person waits, and an API server far away may be slow. */
const TIMEOUT_MS = 15_000;

/** Opens the cluster of the kubeconfig. */
export const openCluster = ({ installedIn, ...access }: ClusterOptions): Cluster => {
  const opened = openPersonalCluster(access);
  if (!opened.ok) throw wrongUsage(opened.faults);
  const { namespace } = opened.value;
  const calls = openDirectCalls(opened.value, TIMEOUT_MS);
  const monotonic = () => performance.now();
  const policies = openCustomResources(calls, { kind: 'TaskPolicy', plural: TASK_POLICIES });
  const revocations = openCustomResources(calls, { kind: 'Revocation', plural: REVOCATIONS });
  return {
    ...openInstallation(calls, installedIn),
    ...{ namespace, installedIn },
    listPolicies: async () => (await policies.list()).items,
    listRevocations: async () => (await revocations.list()).items,
    createRevocation: (name, spec) => revocations.create(name, spec),
    readOwnName: () => readOwnName(calls),
    readPod: openLivePods(calls),
    readNamespaceLabels: openNamespaceLabels(calls, monotonic),
    readServiceAccount: openServiceAccounts(calls, monotonic),
  };
};
