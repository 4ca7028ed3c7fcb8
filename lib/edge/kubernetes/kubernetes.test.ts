import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { createKubernetesClient, type KubernetesClient } from './kubernetes-client.ts';
import { watchConfigMap } from './config-map-watch.ts';
import { createConfigMapStore, type StoredConfigMap } from './config-maps.ts';
import { startFakeApiServer, type FakeApiServer } from './fixtures/fake-api-server.ts';
import type { KubernetesError } from './kubernetes-error.ts';
import { createApiClient } from './api-client.ts';
import { createRunningPodLister, listPods } from './pod-list.ts';
import { createSecretStore } from './secrets.ts';
import { createWebhookConfigurationStore } from './webhook-configurations.ts';
import { waitUntil } from '../../../test/kit/retry.ts';

let api: FakeApiServer;
let kubernetes: KubernetesClient;
beforeEach(async () => {
  api = await startFakeApiServer();
  kubernetes = createKubernetesClient(api.config);
});
afterEach(() => api.close());

const place = { namespace: 'valetkey', name: 'it' };
const secretPath = '/api/v1/namespaces/valetkey/secrets/it';
const configMapPath = '/api/v1/namespaces/valetkey/configmaps/it';

describe('createSecretStore', () => {
  it('returns no data for the Secret of the chart, and decoded data after a write', async () => {
    api.put(secretPath, {});
    const secret = createSecretStore(kubernetes, place);
    const { data, resourceVersion } = await secret.read();
    expect(data).toEqual({});
    expect(await secret.replace(resourceVersion, { 'a.crt': 'one\n' })).toBe('written');
    expect(api.get(secretPath)?.['data']).toEqual({ 'a.crt': 'b25lCg==' });
    expect(await secret.read()).toMatchObject({ data: { 'a.crt': 'one\n' }, annotations: {} });
  });

  it('states that the chart creates a missing Secret, and does not create it', async () => {
    const reading = createSecretStore(kubernetes, place).read();
    await expect(reading).rejects.toMatchObject({ code: 'notFound', culprit: 'get secret it' });
    await expect(reading).rejects.toThrow('run helm upgrade');
    expect(api.requests.filter((one) => !one.startsWith('GET '))).toEqual([]);
  });

  it('returns conflict when the Secret was changed or deleted', async () => {
    api.put(secretPath, {});
    const secret = createSecretStore(kubernetes, place);
    const { resourceVersion } = await secret.read();
    expect(await secret.replace(resourceVersion, { a: '2' })).toBe('written');
    expect(await secret.replace(resourceVersion, { a: '3' })).toBe('conflict');
    expect((await secret.read()).data).toEqual({ a: '2' });
    api.remove(secretPath);
    expect(await secret.replace(resourceVersion, { a: '4' })).toBe('conflict');
  });

  it('keeps annotations of other clients', async () => {
    const secret = createSecretStore(kubernetes, place);
    api.put(secretPath, { metadata: { annotations: { 'valetkey.dev/rotate': 'now' } }, data: {} });
    const before = await secret.read();
    await secret.replace(before.resourceVersion, { a: '1' });
    expect((await secret.read()).annotations).toEqual({ 'valetkey.dev/rotate': 'now' });
  });
});

describe('KubernetesError', () => {
  const codes: [number, string][] = [
    [403, 'refused'],
    [401, 'refused'],
    [422, 'refused'],
    [429, 'unavailable'],
    [500, 'unavailable'],
    [503, 'unavailable'],
  ];
  it.each(codes)('converts status %i to %s and names the call', async (status, code) => {
    api.fail(/secrets/, status);
    await expect(createSecretStore(kubernetes, place).read()).rejects.toMatchObject({
      name: 'KubernetesError',
      code,
      status,
      culprit: 'get secret it',
    });
  });

  it('is unavailable with the reason when the server does not exist', async () => {
    const gone = await startFakeApiServer();
    await gone.close();
    await expect(
      createSecretStore(createKubernetesClient(gone.config), place).read(),
    ).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED') as unknown,
    });
  });
});

describe('createWebhookConfigurationStore', () => {
  const base = '/apis/admissionregistration.k8s.io/v1';
  const paths = [
    `${base}/mutatingwebhookconfigurations/valetkey`,
    `${base}/validatingwebhookconfigurations/valetkey`,
  ];
  const install = (): void => {
    for (const path of paths) {
      api.put(path, {
        metadata: { name: 'valetkey' },
        webhooks: ['one.dev', 'two.dev'].map((name) => ({
          name,
          failurePolicy: 'Fail',
          clientConfig: { service: { name: 'webhook', namespace: 'valetkey' } },
        })),
      });
    }
  };

  it('reads both configurations with the bundle of each webhook', async () => {
    install();
    const found = await createWebhookConfigurationStore(kubernetes, 'valetkey').read();
    expect(found.map(({ id }) => id)).toEqual(['mutating', 'validating']);
    expect(found[0]?.webhooks).toEqual([
      { name: 'one.dev', caBundle: '' },
      { name: 'two.dev', caBundle: '' },
    ]);
  });

  it('sets the bundle and changes nothing else', async () => {
    install();
    const configurations = createWebhookConfigurationStore(kubernetes, 'valetkey');
    for (const one of await configurations.read()) {
      expect(await configurations.writeBundle(one, 'PEM')).toBe('written');
      expect(await configurations.writeBundle(one, 'PEM')).toBe('conflict');
    }
    for (const path of paths) {
      expect(api.get(path)?.['webhooks']).toEqual(
        ['one.dev', 'two.dev'].map((name) => ({
          name,
          failurePolicy: 'Fail',
          clientConfig: { service: { name: 'webhook', namespace: 'valetkey' }, caBundle: 'UEVN' },
        })),
      );
    }
  });

  it('names the missing configuration', async () => {
    install();
    api.remove(paths[1] ?? '');
    await expect(
      createWebhookConfigurationStore(kubernetes, 'valetkey').read(),
    ).rejects.toMatchObject({
      code: 'notFound',
      culprit: 'get validating webhook configuration valetkey',
    });
  });
});

describe('createConfigMapStore', () => {
  it('states that the chart creates a missing ConfigMap, and does not create it', async () => {
    const reading = createConfigMapStore(kubernetes, place).read();
    await expect(reading).rejects.toMatchObject({ code: 'notFound', culprit: 'get configmap it' });
    await expect(reading).rejects.toThrow('run helm upgrade');
    expect(api.requests.filter((one) => !one.startsWith('GET '))).toEqual([]);
  });

  it('sets members and removes those that are null', async () => {
    api.put(configMapPath, {});
    const map = createConfigMapStore(kubernetes, place);
    expect((await map.read()).data).toEqual({});
    await map.change({ data: { a: '1', b: '2' }, annotations: { 'valetkey.dev/x': 'y' } });
    await map.change({ data: { a: null } });
    expect(await map.read()).toMatchObject({
      data: { b: '2' },
      annotations: { 'valetkey.dev/x': 'y' },
    });
  });

  it('throws conflict for an outdated version', async () => {
    api.put(configMapPath, {});
    const map = createConfigMapStore(kubernetes, place);
    const { resourceVersion } = await map.read();
    await map.change({ data: { a: '1' }, resourceVersion });
    const stale = map.change({ data: { a: '2' }, resourceVersion });
    await expect(stale).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('watchConfigMap', () => {
  const open = () => {
    const seen: (StoredConfigMap | undefined)[] = [];
    const errors: KubernetesError[] = [];
    const attempts: number[] = [];
    const stop = watchConfigMap(kubernetes, {
      ...place,
      onState: (state) => seen.push(state),
      onError: (error) => errors.push(error),
      backoffMs: (attempt) => (attempts.push(attempt), 1),
    });
    return { seen, errors, attempts, stop };
  };
  const watching = () => api.requests.filter((one) => one.endsWith('/configmaps')).length >= 2;

  it('reports state, changes and deletion', async () => {
    api.put(configMapPath, { data: { a: '1' } });
    api.put('/api/v1/namespaces/valetkey/configmaps/another', { data: { secret: 'no' } });
    const { seen, stop } = open();
    await waitUntil(watching);
    api.put(configMapPath, { data: { a: '2' } });
    await waitUntil(() => seen.at(-1)?.data['a'] === '2');
    api.remove(configMapPath);
    await waitUntil(() => seen.at(-1) === undefined);
    stop();
    expect(seen[0]?.data).toEqual({ a: '1' });
  });

  it('lists again with increasing delay after an error other than 410', async () => {
    api.put(configMapPath, { data: { a: '1' } });
    api.fail(/configmaps/, 403);
    const { seen, errors, attempts, stop } = open();
    await waitUntil(() => errors.length >= 3);
    expect(seen).toEqual([]);
    expect(errors[0]).toMatchObject({ code: 'refused' });
    expect(attempts.slice(0, 3)).toEqual([1, 2, 3]);
    api.recover();
    await waitUntil(() => seen.at(-1)?.data['a'] === '1');
    stop();
  });

  it('continues after a broken connection', async () => {
    api.put(configMapPath, { data: { a: '1' } });
    const { seen, stop } = open();
    await waitUntil(watching);
    api.breakWatches();
    api.put(configMapPath, { data: { a: '2' } });
    await waitUntil(() => seen.at(-1)?.data['a'] === '2');
    stop();
  });
});

describe('listPods', () => {
  it('lists pods of all namespaces by label', async () => {
    const labels = { 'valetkey.dev/injected': 'true' };
    api.put('/api/v1/namespaces/a/pods/one', { metadata: { labels }, spec: { containers: [] } });
    api.put('/api/v1/namespaces/b/pods/two', { metadata: { labels } });
    api.put('/api/v1/namespaces/b/pods/three', { metadata: {} });
    const names: (string | undefined)[] = [];
    for await (const pod of listPods(kubernetes, 'valetkey.dev/injected=true')) {
      names.push(pod.metadata?.name);
    }
    expect(names).toEqual(['one', 'two']);
  });
});

describe('createRunningPodLister', () => {
  it('lists the UIDs of pods that have not ended, page by page', async () => {
    const labels = { 'valetkey.dev/injected': 'true' };
    const deleted = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`;
    const put = (name: string, metadata: object, phase = 'Running') =>
      api.put(`/api/v1/namespaces/a/pods/${name}`, {
        metadata: { labels, uid: name, ...metadata },
        status: { phase },
      });
    const kept = [...Array(501).keys()].map((at) => `running-${at}`);
    for (const name of kept) put(name, {});
    put('terminating', { deletionTimestamp: deleted(20) });
    put('pending', {}, 'Pending');
    put('lost', { deletionTimestamp: deleted(10) });
    put('failed', {}, 'Failed');
    put('succeeded', {}, 'Succeeded');
    put('other', { labels: {} });
    const listRunningPods = createRunningPodLister(createApiClient(kubernetes), {
      labelSelector: 'valetkey.dev/injected=true',
      now: () => Date.parse(deleted(45)),
    });
    const expected = [...kept, 'terminating', 'pending'];
    expect([...(await listRunningPods())].sort()).toEqual(expected.sort());
  });

  it('finds none where the API server sends null for an empty list', async () => {
    const listRunningPods = createRunningPodLister(createApiClient(kubernetes), {
      labelSelector: 'valetkey.dev/injected=true',
      now: () => 0,
    });
    expect([...(await listRunningPods())]).toEqual([]);
  });

  it('takes no other answer for a list without pods', async () => {
    const calls = () => Promise.resolve({ hello: 1 });
    const listRunningPods = createRunningPodLister(calls, { labelSelector: '', now: () => 0 });
    await expect(listRunningPods()).rejects.toThrow('expected a PartialObjectMetadataList');
  });
});
