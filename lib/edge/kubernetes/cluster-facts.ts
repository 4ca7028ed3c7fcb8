import { INSTALLED } from '../../contract/names.ts';
import type { BufferedResponse } from '../http/https-client.ts';
import { toMapping, type Mapping } from '../../schema/mapping.ts';
import type { ApiClient } from './api-client.ts';
import { createClusterJwksFetcher, readClusterIssuer } from './cluster-issuer.ts';
import { KubernetesError, findObject } from './kubernetes-error.ts';
import {
  checkSubjectAccess,
  type AccessQuestion,
  type AccessSubject,
} from './self-subject-review.ts';
import { readStatusMessage } from './refusal-reasons.ts';

/** Version of a Kubernetes program: `1.34`. */
export type KubernetesVersion = { readonly major: number; readonly minor: number };

export type ApiServerFacts = {
  /** Undefined: the API server states none that is understood. */
  readonly version: KubernetesVersion | undefined;
  /** As the API server states it: `v1.34.2`. */
  readonly text: string;
  /** Its `Date` header, milliseconds since the epoch, whole seconds; NaN: it sent none. */
  readonly clock: number;
};

export type NamespaceFacts = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
};

/** What the API server returned for a pod that it did not store. */
export type DryRunResult =
  | { readonly pod: Mapping }
  /** Message of the API server or of an admission plugin. */
  | { readonly refusal: string };

/** Reads facts about a cluster with the permissions of a user. */
export type ClusterFactsReader = {
  readonly readApiServer: () => Promise<ApiServerFacts>;
  /** Kubelet version of each node, by its name. */
  readonly listKubelets: () => Promise<ReadonlyMap<string, KubernetesVersion | undefined>>;
  /** Objects as the API server returns them. */
  readonly listStorageClasses: () => Promise<readonly Mapping[]>;
  readonly listMutatingWebhooks: () => Promise<readonly Mapping[]>;
  /** Undefined: the API server serves no version of them. */
  readonly listMutatingPolicies: () => Promise<readonly Mapping[] | undefined>;
  /** Of all namespaces; undefined: the cluster has no Vertical Pod Autoscaler. */
  readonly listVerticalAutoscalers: () => Promise<readonly Mapping[] | undefined>;
  readonly listNamespaces: (labelSelector: string) => Promise<readonly NamespaceFacts[]>;
  /** The authority's StatefulSet; undefined: it does not exist. */
  readonly readAuthorityObject: () => Promise<unknown>;
  /** Creates a pod in a dry run: all of admission runs, and nothing is stored. */
  readonly dryRunPod: (namespace: string, pod: object) => Promise<DryRunResult>;
  /** Issuer and keys of service account tokens. */
  readonly readTokenIssuer: () => Promise<{ readonly issuer: string; readonly jwks: unknown }>;
  /** Undefined: the API server has no such API, so it is not OpenShift's. */
  readonly listSecurityConstraints: () => Promise<readonly Mapping[] | undefined>;
  /** Of Valetkey's namespace; undefined: the API server has no such API. */
  readonly listServiceMonitors: () => Promise<readonly Mapping[] | undefined>;
  /** Of Valetkey's namespace. */
  readonly listNetworkPolicies: () => Promise<readonly Mapping[]>;
  /** Whether RBAC gives another user a right; needs permission to create SubjectAccessReviews. */
  readonly checkSubjectAccess: (
    subject: AccessSubject,
    question: AccessQuestion,
  ) => Promise<boolean>;
  /** Metrics of a pod in Valetkey's namespace, through the API server; needs permission `pods/proxy`. */
  readonly readMetrics: (pod: string, port: number) => Promise<string>;
};

/** Objects of one response. */
const PAGE_SIZE = 200;

/** @returns every function throws KubernetesError */
export const createClusterFactsReader = (
  calls: ApiClient,
  namespace: string,
): ClusterFactsReader => {
  const list = (plural: string, path: string, query = '') =>
    listAll(calls, { plural, path, query });
  const within = `namespaces/${encodeURIComponent(namespace)}`;
  const listOptional = async (group: string, plural: string, place = '') => {
    const found = await findObject(calls(`get ${group}`, { method: 'GET', path: group }));
    const offers = toMapping(found)['resources'];
    const isOffered =
      Array.isArray(offers) && offers.some((each) => toMapping(each)['name'] === plural);
    return isOffered ? list(plural, `${group}/${place}${plural}`) : undefined;
  };
  return {
    readApiServer: () => readApiServer(calls),
    listKubelets: async () => new Map((await list('nodes', '/api/v1/nodes')).map(toKubelet)),
    listStorageClasses: () => list('storageclasses', '/apis/storage.k8s.io/v1/storageclasses'),
    listMutatingWebhooks: () => {
      const plural = 'mutatingwebhookconfigurations';
      return list(plural, `/apis/admissionregistration.k8s.io/v1/${plural}`);
    },
    listMutatingPolicies: async () => {
      for (const version of ['v1', 'v1beta1', 'v1alpha1']) {
        const group = `/apis/admissionregistration.k8s.io/${version}`;
        const found = await listOptional(group, 'mutatingadmissionpolicies');
        if (found !== undefined) return found;
      }
      return undefined;
    },
    listVerticalAutoscalers: () =>
      listOptional('/apis/autoscaling.k8s.io/v1', 'verticalpodautoscalers'),
    listNamespaces: async (labelSelector) => {
      const query = `labelSelector=${encodeURIComponent(labelSelector)}&`;
      return (await list('namespaces', '/api/v1/namespaces', query)).map(toNamespace);
    },
    readAuthorityObject: () => {
      const { authority: name } = INSTALLED;
      const path = `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/statefulsets/${name}`;
      return findObject(calls(`get statefulsets ${namespace}/${name}`, { method: 'GET', path }));
    },
    dryRunPod: (where, pod) => dryRunPod(calls, where, pod),
    readTokenIssuer: async () => ({
      issuer: await readClusterIssuer(calls),
      jwks: await createClusterJwksFetcher(calls)(),
    }),
    listSecurityConstraints: () =>
      listOptional('/apis/security.openshift.io/v1', 'securitycontextconstraints'),
    listServiceMonitors: () =>
      listOptional('/apis/monitoring.coreos.com/v1', 'servicemonitors', `${within}/`),
    listNetworkPolicies: () =>
      list('networkpolicies', `/apis/networking.k8s.io/v1/${within}/networkpolicies`),
    checkSubjectAccess: (subject, question) => checkSubjectAccess(calls, subject, question),
    readMetrics: async (pod, port) => {
      const path = `/api/v1/${within}/pods/${encodeURIComponent(pod)}:${port}/proxy/metrics`;
      const call = { method: 'GET', path, maxTextBytes: MAX_METRICS_BYTES } as const;
      return (await calls(`get metrics of pod ${namespace}/${pod}`, call)) as string;
    },
  };
};

const MAX_METRICS_BYTES = 4 * 1024 * 1024;

const readApiServer = async (calls: ApiClient): Promise<ApiServerFacts> => {
  let clock = NaN;
  const onResponse = ({ headers }: BufferedResponse): void => {
    clock = Date.parse(headers.date ?? '');
  };
  const found = toMapping(
    await calls('get version', { method: 'GET', path: '/version', onResponse }),
  );
  const text = toText(found['gitVersion']);
  return { version: parseVersion(text), text, clock };
};

/** Providers append their own version: `v1.31.4-eks-2d5f260`, `v1.30.5+rke2r1`. */
const parseVersion = (text: string): KubernetesVersion | undefined => {
  const [, major, minor] = /^v(\d{1,3})\.(\d{1,4})(?:[.+-]|$)/.exec(text) ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
};

const toText = (value: unknown): string => (typeof value === 'string' ? value : '');

const toKubelet = (node: Mapping): readonly [string, KubernetesVersion | undefined] => {
  const { nodeInfo } = toMapping(node['status']);
  const version = parseVersion(toText(toMapping(nodeInfo)['kubeletVersion']));
  return [toText(toMapping(node['metadata'])['name']), version];
};

const toNamespace = ({ metadata }: Mapping): NamespaceFacts => {
  const { name, labels } = toMapping(metadata);
  return { name: toText(name), labels: toMapping(labels) as NamespaceFacts['labels'] };
};

const dryRunPod = async (calls: ApiClient, namespace: string, pod: object) => {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?dryRun=All`;
  let message = '';
  const onResponse = ({ status, body }: BufferedResponse): void => {
    if (status >= 300) message = readStatusMessage(body);
  };
  const call = { method: 'POST', path, body: pod, onResponse } as const;
  try {
    return { pod: toMapping(await calls(`create a pod in ${namespace} (dry run)`, call)) };
  } catch (error) {
    // Without a message there was no decision about the pod.
    if (error instanceof KubernetesError && message !== '') return { refusal: message };
    throw error;
  }
};

type ListRequest = { readonly plural: string; readonly path: string; readonly query: string };

const listAll = async (
  calls: ApiClient,
  { plural, path, query }: ListRequest,
): Promise<readonly Mapping[]> => {
  const items: Mapping[] = [];
  for (let next = ''; ;) {
    const from = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
    const call = { method: 'GET', path: `${path}?${query}limit=${PAGE_SIZE}${from}` } as const;
    const page = toMapping(await calls(`list ${plural}`, call));
    if (Array.isArray(page['items'])) items.push(...page['items'].map(toMapping));
    next = toText(toMapping(page['metadata'])['continue']);
    if (next === '') return items;
  }
};
