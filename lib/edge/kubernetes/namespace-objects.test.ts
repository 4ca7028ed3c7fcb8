import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createApiClient } from './api-client.ts';
import { startFakeApiServer, type FakeApiServer } from './fixtures/fake-api-server.ts';
import { createNamespaceObjects, type NamespaceObjects } from './namespace-objects.ts';

let api: FakeApiServer;
let objects: NamespaceObjects;
const own = '/api/v1/namespaces/quickstart';
const deployment = '/apis/apps/v1/namespaces/quickstart/deployments/minio';
beforeAll(async () => {
  api = await startFakeApiServer();
  objects = createNamespaceObjects(createApiClient({ config: api.config }), 'quickstart');
});
afterAll(() => api.close());

describe('createNamespaceObjects', () => {
  it('reads, labels and deletes the namespace, by its UID', async () => {
    expect(await objects.readNamespace()).toBeUndefined();
    api.put(own, { metadata: { uid: 'uid-1' } });
    await objects.labelNamespace({ a: 'b' });
    expect(await objects.readNamespace()).toMatchObject({ metadata: { labels: { a: 'b' } } });
    expect(await objects.removeNamespace('uid-2')).toBe('gone');
    expect(api.get(own)).toBeDefined();
    expect(await objects.removeNamespace('uid-1')).toBe('removed');
    expect(await objects.removeNamespace('uid-1')).toBe('gone');
  });

  it('creates a ConfigMap, and sets its data if it exists', async () => {
    await objects.writeConfigMap('ca', { 'ca.crt': 'one' });
    await objects.writeConfigMap('ca', { 'ca.crt': 'two' });
    expect(api.get(`${own}/configmaps/ca`)).toMatchObject({ data: { 'ca.crt': 'two' } });
  });

  it('annotates the pods of a Deployment', async () => {
    expect(await objects.readDeployment('minio')).toBeUndefined();
    api.put(deployment, { spec: { replicas: 1 } });
    await objects.annotatePods('minio', { a: 'b' });
    expect(await objects.readDeployment('minio')).toMatchObject({
      spec: { replicas: 1, template: { metadata: { annotations: { a: 'b' } } } },
    });
  });

  it('creates, reads, lists and deletes pods', async () => {
    const pod = { metadata: { name: 'agent', labels: { app: 'a' } } };
    expect(await objects.readPod('agent')).toBeUndefined();
    expect(await objects.createPod(pod)).toBe('created');
    expect(await objects.createPod(pod)).toBe('exists');
    expect(await objects.readPod('agent')).toMatchObject(pod);
    expect(await objects.listPods('app=a')).toMatchObject([pod]);
    expect(await objects.listPods('app=b')).toEqual([]);
    expect(await objects.removePod('agent')).toBe('removed');
    expect(await objects.removePod('agent')).toBe('gone');
  });

  it('lists warnings, the oldest first', async () => {
    const at = (minute: number) => `2026-01-05T13:${minute}:00Z`;
    api.put(`${own}/events/a`, { message: 'later', lastTimestamp: at(20) });
    api.put(`${own}/events/b`, { message: 'earlier', lastTimestamp: null, eventTime: at(10) });
    expect(await objects.listWarnings('agent')).toEqual(['earlier', 'later']);
  });
});
