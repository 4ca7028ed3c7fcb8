import { INJECTED_LABEL, INSTALLED } from '../../contract/names.ts';
import type { Pod } from '../../contract/pod.ts';
import type { ApiClient } from './api-client.ts';
import { findObject } from './kubernetes-error.ts';

/** Ready and desired replicas of a program, and its version. */
export type Replicas = {
  readonly ready: number;
  readonly wanted: number;
  /** Label `app.kubernetes.io/version`. */
  readonly version?: string;
};

/** API path of each kind of object for the whole cluster. */
const CLUSTER_KINDS = {
  MutatingWebhookConfiguration: 'admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  ValidatingWebhookConfiguration: 'admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
  ValidatingAdmissionPolicy: 'admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding:
    'admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
  CustomResourceDefinition: 'apiextensions.k8s.io/v1/customresourcedefinitions',
} as const;

/** An object of an installation that belongs to no namespace. */
export type ClusterObject = {
  readonly kind: keyof typeof CLUSTER_KINDS;
  readonly name: string;
};

/** Reads the state of an installation with the permissions of a user. */
export type InstallationReader = {
  /** Undefined: the program is not installed. */
  readonly readWebhook: () => Promise<Replicas | undefined>;
  readonly readAuthority: () => Promise<Replicas | undefined>;
  /** `data` of a ConfigMap in the same namespace; undefined: it does not exist. */
  readonly readConfigMap: (name: string) => Promise<Readonly<Record<string, string>> | undefined>;
  /** An object as the API server returns it; undefined: it does not exist. */
  readonly readClusterObject: (object: ClusterObject) => Promise<unknown>;
  /**
   * A public document of the authority, through the API server; needs permission `services/proxy`.
   *
   * @param path path at the authority, with a leading slash
   */
  readonly readDocument: (path: string) => Promise<unknown>;
  /** Every pod in the cluster with the injection label, page by page. */
  readonly listInjected: () => AsyncIterable<Pod>;
};

/** Pods of one response, whose size is limited. */
const PAGE_SIZE = 100;

/** @returns every function throws KubernetesError */
export const createInstallationReader = (
  calls: ApiClient,
  namespace: string,
): InstallationReader => {
  const within = `namespaces/${encodeURIComponent(namespace)}`;
  const find = (culprit: string, path: string): Promise<unknown> =>
    findObject(calls(culprit, { method: 'GET', path }));
  const readProgram = async (plural: string, name: string): Promise<Replicas | undefined> => {
    const path = `/apis/apps/v1/${within}/${plural}/${name}`;
    const found = (await find(`get ${plural} ${namespace}/${name}`, path)) as Program | undefined;
    if (found === undefined) return undefined;
    const version = found.metadata?.labels?.[VERSION_LABEL];
    return {
      ready: found.status?.readyReplicas ?? 0,
      wanted: found.spec?.replicas ?? 1,
      ...(version !== undefined && { version }),
    };
  };
  return {
    readWebhook: () => readProgram('deployments', INSTALLED.webhook),
    readAuthority: () => readProgram('statefulsets', INSTALLED.authority),
    readConfigMap: async (name) => {
      const path = `/api/v1/${within}/configmaps/${encodeURIComponent(name)}`;
      const found = await find(`get configmap ${namespace}/${name}`, path);
      return found === undefined ? undefined : ((found as { data?: Data }).data ?? {});
    },
    readClusterObject: ({ kind, name }) =>
      find(`get ${kind} ${name}`, `/apis/${CLUSTER_KINDS[kind]}/${encodeURIComponent(name)}`),
    readDocument: (document) => {
      const { authority, authorityPort } = INSTALLED;
      const path = `/api/v1/${within}/services/https:${authority}:${authorityPort}/proxy${document}`;
      return calls(`get ${document} of service ${namespace}/${authority}`, { method: 'GET', path });
    },
    listInjected: () => listInjected(calls),
  };
};

type Data = Readonly<Record<string, string>>;
const VERSION_LABEL = 'app.kubernetes.io/version';
type Program = {
  readonly metadata?: { readonly labels?: Data };
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly readyReplicas?: number };
};
type Page = {
  readonly metadata?: { readonly continue?: string };
  readonly items?: readonly Pod[];
};

async function* listInjected(calls: ApiClient): AsyncGenerator<Pod, void> {
  const selector = encodeURIComponent(`${INJECTED_LABEL}=true`);
  let next = '';
  do {
    const from = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
    const path = `/api/v1/pods?labelSelector=${selector}&limit=${PAGE_SIZE}${from}`;
    const page = (await calls('list pods', { method: 'GET', path })) as Page;
    yield* page.items ?? [];
    next = page.metadata?.continue ?? '';
  } while (next !== '');
}
