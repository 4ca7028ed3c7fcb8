import { EVENT_CODE_ANNOTATION, INJECTED_LABEL, INSTALLED } from '../../contract/names.ts';
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

/** A warning of the authority about a pod. */
export type AuthorityEvent = {
  readonly namespace: string;
  readonly pod: string;
  /** Annotation {@link EVENT_CODE_ANNOTATION}. */
  readonly code: string;
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
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
  /** Events that the authority wrote, of every namespace, page by page. */
  readonly listAuthorityEvents: () => AsyncIterable<AuthorityEvent>;
  /** Every pod in the cluster with the injection label, page by page. */
  readonly listInjected: () => AsyncIterable<Pod>;
  /** Every pod of one namespace, or of the cluster, page by page. */
  readonly listPods: (namespace?: string) => AsyncIterable<Pod>;
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
    listAuthorityEvents: () => listAuthorityEvents(calls),
    listInjected: () => listInjected(calls),
    listPods: (of) =>
      listPages(calls, of === undefined ? 'pods' : `namespaces/${encodeURIComponent(of)}/pods`),
  };
};

type Data = Readonly<Record<string, string>>;
const VERSION_LABEL = 'app.kubernetes.io/version';
type Program = {
  readonly metadata?: { readonly labels?: Data };
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly readyReplicas?: number };
};
type Page<T> = {
  readonly metadata?: { readonly continue?: string };
  readonly items?: readonly T[];
};

const listInjected = (calls: ApiClient): AsyncGenerator<Pod, void> =>
  listPages(calls, 'pods', `labelSelector=${encodeURIComponent(`${INJECTED_LABEL}=true`)}`);

type StoredEvent = {
  readonly metadata?: { readonly annotations?: Data };
  readonly involvedObject?: { readonly namespace?: string; readonly name?: string };
  readonly source?: { readonly component?: string };
  readonly message?: string;
  readonly lastTimestamp?: string;
};

async function* listAuthorityEvents(calls: ApiClient): AsyncGenerator<AuthorityEvent, void> {
  const selector = `fieldSelector=${encodeURIComponent(`source=${INSTALLED.authority}`)}`;
  for await (const event of listPages<StoredEvent>(calls, 'events', selector)) {
    const { metadata, involvedObject = {}, message = '', lastTimestamp = '' } = event;
    const code = metadata?.annotations?.[EVENT_CODE_ANNOTATION];
    if (code === undefined || event.source?.component !== INSTALLED.authority) continue;
    const { namespace = '', name: pod = '' } = involvedObject;
    yield { namespace, pod, code, message, at: Date.parse(lastTimestamp) };
  }
}

async function* listPages<T>(
  calls: ApiClient,
  plural: string,
  selector = '',
): AsyncGenerator<T, void> {
  let next = '';
  do {
    const from = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
    const path = `/api/v1/${plural}?${selector}&limit=${PAGE_SIZE}${from}`;
    const page = (await calls(`list ${plural}`, { method: 'GET', path })) as Page<T>;
    yield* page.items ?? [];
    next = page.metadata?.continue ?? '';
  } while (next !== '');
}
