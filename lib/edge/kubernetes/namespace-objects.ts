import { isMapping, toMapping, type Mapping } from '../../schema/mapping.ts';
import type { ApiClient } from './api-client.ts';
import { findObject, toOutcome } from './kubernetes-error.ts';
import { readPodLog } from './pod-log.ts';

/** Strings by their name: labels, annotations, data. */
type Strings = Readonly<Record<string, string>>;

/** What a user's command does with the ordinary objects of one namespace. Every function throws KubernetesError. */
export type NamespaceObjects = {
  /** Undefined: the namespace does not exist. */
  readonly readNamespace: () => Promise<Mapping | undefined>;
  readonly labelNamespace: (labels: Strings) => Promise<void>;
  /** Deletes the namespace if it still has this UID. */
  readonly removeNamespace: (uid: string) => Promise<'removed' | 'gone'>;
  /** Creates a ConfigMap, or sets its data. */
  readonly writeConfigMap: (name: string, data: Strings) => Promise<void>;
  readonly readDeployment: (name: string) => Promise<Mapping | undefined>;
  /** Sets annotations of the pods of a Deployment; a new value replaces the pods. */
  readonly annotatePods: (deployment: string, annotations: Strings) => Promise<void>;
  readonly listPods: (labelSelector: string) => Promise<readonly Mapping[]>;
  readonly createPod: (pod: object) => Promise<'created' | 'exists'>;
  readonly readPod: (name: string) => Promise<Mapping | undefined>;
  readonly removePod: (name: string) => Promise<'removed' | 'gone'>;
  /** Messages of the warnings about an object, the oldest first. */
  readonly listWarnings: (object: string) => Promise<readonly string[]>;
  /** The newest lines of a container's log. @param now milliseconds since the epoch */
  readonly readLog: (pod: string, container: string, now: number) => Promise<string>;
};

const LOG = { windowSeconds: 3600, maxBytes: 64 * 1024 } as const;
const MAX_EVENTS = 100;

/** Creates the client for the objects of one namespace, with the rights of a user. */
export const createNamespaceObjects = (calls: ApiClient, namespace: string): NamespaceObjects => {
  const own = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const deployments = `/apis/apps/v1/namespaces/${encodeURIComponent(namespace)}/deployments`;
  const find = async (kind: string, path: string, name: string) => {
    const call = { method: 'GET', path: `${path}/${encodeURIComponent(name)}` } as const;
    const found = await findObject(calls(`get ${kind} ${namespace}/${name}`, call));
    return found === undefined ? undefined : toMapping(found);
  };
  const list = async (plural: string, query: string): Promise<readonly Mapping[]> => {
    const call = { method: 'GET', path: `${own}/${plural}?${query}` } as const;
    const { items } = toMapping(await calls(`list ${plural} in ${namespace}`, call));
    return Array.isArray(items) ? items.filter(isMapping) : [];
  };
  const patch = async (culprit: string, path: string, body: object): Promise<void> => {
    await calls(`patch ${culprit}`, { method: 'PATCH', path, body });
  };
  const remove = (culprit: string, path: string, body: object) =>
    toOutcome(calls(`delete ${culprit}`, { method: 'DELETE', path, body }), 'removed', {
      notFound: 'gone',
      conflict: 'gone',
    });
  const create = (plural: string, body: object): Promise<'created' | 'exists'> =>
    toOutcome(
      calls(`create ${plural} in ${namespace}`, { method: 'POST', path: `${own}/${plural}`, body }),
      'created',
      { conflict: 'exists' },
    );
  return {
    readNamespace: async () => {
      const found = await findObject(
        calls(`get namespace ${namespace}`, { method: 'GET', path: own }),
      );
      return found === undefined ? undefined : toMapping(found);
    },
    labelNamespace: (labels) => patch(`namespace ${namespace}`, own, { metadata: { labels } }),
    removeNamespace: (uid) => remove(`namespace ${namespace}`, own, { preconditions: { uid } }),
    writeConfigMap: async (name, data) => {
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data };
      if ((await create('configmaps', object)) === 'created') return;
      await patch(`configmap ${namespace}/${name}`, `${own}/configmaps/${name}`, { data });
    },
    readDeployment: (name) => find('deployment', deployments, name),
    annotatePods: (name, annotations) =>
      patch(`deployment ${namespace}/${name}`, `${deployments}/${encodeURIComponent(name)}`, {
        spec: { template: { metadata: { annotations } } },
      }),
    listPods: (selector) => list('pods', `labelSelector=${encodeURIComponent(selector)}`),
    createPod: (pod) => create('pods', pod),
    readPod: (name) => find('pod', `${own}/pods`, name),
    removePod: (name) =>
      remove(`pod ${namespace}/${name}`, `${own}/pods/${encodeURIComponent(name)}`, {
        gracePeriodSeconds: 0,
      }),
    listWarnings: async (object) => {
      const selector = `involvedObject.name=${object},type=Warning`;
      const query = `fieldSelector=${encodeURIComponent(selector)}&limit=${MAX_EVENTS}`;
      const events = await list('events', query);
      return events.toSorted((one, other) => getTime(one) - getTime(other)).map(getMessage);
    },
    readLog: async (pod, container, now) =>
      (await readPodLog(calls, { namespace, pod, container, now, ...LOG })).text,
  };
};

const getTime = ({ lastTimestamp, eventTime }: Mapping): number =>
  Date.parse(String(lastTimestamp ?? eventTime)) || 0;

const getMessage = ({ message }: Mapping): string => (typeof message === 'string' ? message : '');
