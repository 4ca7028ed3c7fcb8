import {
  ADD,
  DELETE,
  ERROR,
  UPDATE,
  ListWatch,
  Watch,
  type V1ConfigMap,
} from '@kubernetes/client-node';

import { buildCallOptions, type KubernetesClient } from './kubernetes-client.ts';
import { toStored, type StoredConfigMap } from './config-maps.ts';
import { callKubernetes, toKubernetesError, type KubernetesError } from './kubernetes-error.ts';

export type ConfigMapWatchOptions = {
  readonly namespace: string;
  readonly name: string;
  /** Told of what is there now, at each change and at each new list; nothing: it does not exist. */
  readonly onState: (state: StoredConfigMap | undefined) => void;
  readonly onError: (error: KubernetesError) => void;
  /** Milliseconds to wait before try number `attempt` (1, 2, …) after a failure. */
  readonly backoffMs: (attempt: number) => number;
};

/**
 * Watches one ConfigMap until stopped. `ListWatch` gives up on every error but 410: here it begins
 * again, with a fresh list, after `computeBackoffMs`.
 *
 * @returns stops it
 */
export const watchConfigMap = (
  kubernetes: KubernetesClient,
  terms: ConfigMapWatchOptions,
): (() => void) => {
  let attempt = 0;
  let timer: NodeJS.Timeout | undefined;
  let current: ListWatch<V1ConfigMap> | undefined;
  let isStopped = false;

  const begin = (): void => {
    if (isStopped) return;
    current = createListWatch(kubernetes, terms, () => (attempt = 0));
    current.on(ERROR, failed);
    current.start().catch(failed);
  };
  const failed = (error: unknown): void => {
    if (isStopped || timer !== undefined) return;
    void current?.stop();
    attempt += 1;
    terms.onError(toKubernetesError(`watch configmap ${terms.name}`, error));
    timer = setTimeout(() => {
      timer = undefined;
      begin();
    }, terms.backoffMs(attempt));
  };

  begin();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    void current?.stop();
  };
};

const createListWatch = (
  { config, core }: KubernetesClient,
  { namespace, name, onState }: ConfigMapWatchOptions,
  onContact: () => void,
): ListWatch<V1ConfigMap> => {
  const fieldSelector = `metadata.name=${name}`;
  const list = async () => {
    const call = () =>
      core.listNamespacedConfigMap({ namespace, fieldSelector }, buildCallOptions());
    const answer = await callKubernetes(`list configmap ${name}`, call);
    onContact();
    const [found] = answer.items;
    onState(found && toStored(found));
    return answer;
  };
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const watch = new ListWatch(path, new Watch(config), list, false, undefined, fieldSelector);
  for (const verb of [ADD, UPDATE] as const) watch.on(verb, (found) => onState(toStored(found)));
  watch.on(DELETE, () => onState(undefined));
  return watch;
};
