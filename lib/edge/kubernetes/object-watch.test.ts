import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';

import {
  startEmbeddedApiServer,
  type EmbeddedApiServer,
} from '../../../test/fakes/api-server/embedded-api-server.ts';
import { waitUntil } from '../../../test/kit/retry.ts';
import { watchConfigMap } from './config-map-watch.ts';
import { watchCustomResources } from './custom-resource-watch.ts';
import { createKubernetesClient, type KubernetesClient } from './kubernetes-client.ts';

let api: EmbeddedApiServer;
let kubernetes: KubernetesClient;
let stops: (() => void)[];
beforeEach(async () => {
  stops = [];
  api = await startEmbeddedApiServer(Date.now);
  const config = new KubeConfig();
  config.loadFromString(api.buildKubeconfigFor('system:serviceaccount:valetkey:watcher'));
  kubernetes = createKubernetesClient(config);
});
afterEach(async () => {
  for (const stop of stops) stop();
  await api.close();
});

const KIND = { kind: 'Revocation', plural: 'revocations' } as const;
const put = (name: string): void =>
  void api.objects.create(`/apis/valetkey.dev/v1alpha1/revocations/${name}`, { spec: {} });

/** Watches, with every state as the names of its objects, and `restored` where the store was. */
const watch = (watchSeconds?: number) => {
  const states: string[] = [];
  let syncs = 0;
  const stop = watchCustomResources(kubernetes, {
    ...KIND,
    ...(watchSeconds !== undefined && { watchSeconds }),
    onState: (all, { isRestored }) => {
      const names = all.map(({ metadata }) => metadata.name).join();
      states.push(isRestored ? `${names} restored` : names);
    },
    onSync: () => (syncs += 1),
    onError: (error) => states.push(error.message),
    backoffMs: () => 1,
  });
  stops.push(stop);
  return { states, syncs: () => syncs };
};

describe('a watch of a store that was restored from an older snapshot', () => {
  it('reports the restored state when its API server restarts, and later changes', async () => {
    put('one');
    const restore = api.objects.takeSnapshot();
    const { states } = watch();
    await waitUntil(() => states.at(-1) === 'one');
    for (const name of ['two', 'three', 'four']) put(name);
    await waitUntil(() => states.at(-1) === 'one,two,three,four');
    restore();
    await waitUntil(() => states.at(-1) === 'one restored');
    // Its version is below those of the changes that were lost.
    put('five');
    await waitUntil(() => states.at(-1) === 'one,five');
  });

  it('reports the restored state when its next request reaches another API server', async () => {
    put('one');
    const restore = api.objects.takeSnapshot();
    const { states } = watch(1);
    await waitUntil(() => states.at(-1) === 'one');
    put('two');
    await waitUntil(() => states.at(-1) === 'one,two');
    restore({ endsWatches: false });
    await waitUntil(() => states.at(-1) === 'one restored');
  });

  it('reports the restored state of a store that has got beyond the lost version', async () => {
    put('one');
    const restore = api.objects.takeSnapshot();
    const { states } = watch();
    await waitUntil(() => states.at(-1) === 'one');
    put('two');
    await waitUntil(() => states.at(-1) === 'one,two');
    restore();
    for (const name of ['three', 'four', 'five']) put(name);
    await waitUntil(() => states.at(-1)?.startsWith('one,three,four,five') === true);
  });

  it('reports the restored state of a ConfigMap', async () => {
    const path = '/api/v1/namespaces/valetkey/configmaps/it';
    api.objects.create(path, { data: { a: '1' } });
    const restore = api.objects.takeSnapshot();
    const seen: (string | undefined)[] = [];
    const onState = (state: { data: Readonly<Record<string, string>> } | undefined) =>
      seen.push(state?.data['a']);
    const place = { namespace: 'valetkey', name: 'it' };
    const stop = watchConfigMap(kubernetes, {
      ...{ ...place, onState },
      onError: (error) => seen.push(error.message),
      backoffMs: () => 1,
    });
    stops.push(stop);
    await waitUntil(() => seen.at(-1) === '1');
    api.objects.replace(path, { data: { a: '2' } });
    await waitUntil(() => seen.at(-1) === '2');
    restore();
    await waitUntil(() => seen.at(-1) === '1');
    api.objects.replace(path, { data: { a: '3' } });
    await waitUntil(() => seen.at(-1) === '3');
  });
});

describe('a watch of a store that continues', () => {
  it('does not report a restore after a watch that ended in time', async () => {
    put('one');
    const { states, syncs } = watch(1);
    await waitUntil(() => states.at(-1) === 'one');
    const before = syncs();
    await waitUntil(() => syncs() > before + 2);
    put('two');
    await waitUntil(() => states.at(-1) === 'one,two');
    expect(states).toEqual(['one', 'one,two']);
  });
});
