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
import { callKubernetes } from './kubernetes-error.ts';
import { startWatchLoop, type WatchLoopOptions } from './watch-loop.ts';

export type ConfigMapWatchOptions = {
  readonly namespace: string;
  readonly name: string;
  /** Called with the current state at each change and each new list; undefined: it does not exist. */
  readonly onState: (state: StoredConfigMap | undefined) => void;
} & Pick<WatchLoopOptions, 'onError' | 'backoffMs'>;

/**
 * Watches one ConfigMap until stopped. `ListWatch` ends on every error except 410, so a failed watch
 * starts again with a new list.
 *
 * @returns stops it
 */
export const watchConfigMap = (
  kubernetes: KubernetesClient,
  options: ConfigMapWatchOptions,
): (() => void) => {
  const { name, onError, backoffMs } = options;
  const run = async (onConnected: () => void, signal: AbortSignal): Promise<void> => {
    const { promise: end, resolve, reject } = Promise.withResolvers<undefined>();
    const watch = createListWatch(kubernetes, options, onConnected);
    const stop = (): void => resolve(undefined);
    signal.addEventListener('abort', stop);
    watch.on(ERROR, reject);
    watch.start().catch(reject);
    await end.finally(() => {
      signal.removeEventListener('abort', stop);
      void watch.stop();
    });
  };
  return startWatchLoop({ culprit: `watch configmap ${name}`, onError, backoffMs, run });
};

const createListWatch = (
  { config, core }: KubernetesClient,
  { namespace, name, onState }: ConfigMapWatchOptions,
  onConnected: () => void,
): ListWatch<V1ConfigMap> => {
  const fieldSelector = `metadata.name=${name}`;
  const list = async () => {
    const call = () =>
      core.listNamespacedConfigMap({ namespace, fieldSelector }, buildCallOptions());
    const response = await callKubernetes(`list configmap ${name}`, call);
    onConnected();
    const [found] = response.items;
    onState(found && toStored(found));
    return response;
  };
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const watch = new ListWatch(path, new Watch(config), list, false, undefined, fieldSelector);
  for (const verb of [ADD, UPDATE] as const) watch.on(verb, (found) => onState(toStored(found)));
  watch.on(DELETE, () => onState(undefined));
  return watch;
};
