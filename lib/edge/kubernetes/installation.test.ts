import { afterAll, beforeAll, expect, it } from '@jest/globals';

import { createApiClient } from './api-client.ts';
import { startFakeApiServer, type FakeApiServer } from './fixtures/fake-api-server.ts';
import { createInstallationReader, type InstallationReader } from './installation.ts';

let api: FakeApiServer;
let installation: InstallationReader;
beforeAll(async () => {
  api = await startFakeApiServer();
  installation = createInstallationReader(createApiClient(api), 'security');
});
afterAll(() => api.close());

it('readAuthority and readWebhook return ready replicas, or undefined when not installed', async () => {
  expect(await installation.readAuthority()).toBeUndefined();
  const apps = '/apis/apps/v1/namespaces/security';
  api.put(`${apps}/statefulsets/valetkey-authority`, { spec: { replicas: 2 }, status: {} });
  const status = { readyReplicas: 3 };
  api.put(`${apps}/deployments/valetkey-webhook`, { spec: { replicas: 3 }, status });
  expect(await installation.readAuthority()).toEqual({ ready: 0, wanted: 2 });
  expect(await installation.readWebhook()).toEqual({ ready: 3, wanted: 3 });
});

it('readWebhook returns the version of the label', async () => {
  const labels = { 'app.kubernetes.io/version': '9' };
  const path = '/apis/apps/v1/namespaces/security/deployments/valetkey-webhook';
  api.put(path, { metadata: { labels }, spec: { replicas: 1 } });
  expect(await installation.readWebhook()).toEqual({ ready: 0, wanted: 1, version: '9' });
});

it.each([
  ['MutatingWebhookConfiguration', 'admissionregistration.k8s.io/v1/mutatingwebhookconfigurations'],
  ['ValidatingAdmissionPolicy', 'admissionregistration.k8s.io/v1/validatingadmissionpolicies'],
  ['CustomResourceDefinition', 'apiextensions.k8s.io/v1/customresourcedefinitions'],
] as const)('readClusterObject returns a %s, or undefined', async (kind, path) => {
  expect(await installation.readClusterObject({ kind, name: 'x' })).toBeUndefined();
  api.put(`/apis/${path}/x`, { spec: {} });
  expect(await installation.readClusterObject({ kind, name: 'x' })).toMatchObject({ spec: {} });
});

it('readConfigMap returns the data of a ConfigMap, or undefined', async () => {
  expect(await installation.readConfigMap('settings')).toBeUndefined();
  api.put('/api/v1/namespaces/security/configmaps/settings', { data: { a: '1' } });
  api.put('/api/v1/namespaces/security/configmaps/empty', {});
  expect(await installation.readConfigMap('settings')).toEqual({ a: '1' });
  expect(await installation.readConfigMap('empty')).toEqual({});
});

it('readDocument reads a document of the authority through the API server', async () => {
  const service = '/api/v1/namespaces/security/services/https:valetkey-authority:https';
  await expect(installation.readDocument('/jwks')).rejects.toMatchObject({
    code: 'notFound',
    culprit: 'get /jwks of service security/valetkey-authority',
  });
  api.put(`${service}/proxy/jwks`, { keys: [] });
  expect(await installation.readDocument('/jwks')).toMatchObject({ keys: [] });
});

it('listInjected lists all pods with the injection label, over pages and namespaces', async () => {
  for (let at = 0; at < 250; at += 1) {
    const labels = { 'valetkey.dev/injected': at < 230 ? 'true' : 'false' };
    const metadata = { namespace: `n-${at % 3}`, name: `p-${at}`, labels };
    api.put(`/api/v1/namespaces/n-${at % 3}/pods/p-${at}`, { metadata });
  }
  const names = new Set<string>();
  for await (const { metadata } of installation.listInjected()) names.add(metadata?.name ?? '');
  expect(names.size).toBe(230);
  expect(api.requests.filter((request) => request === 'GET /api/v1/pods')).toHaveLength(3);
});

it('listAuthorityEvents lists the events of the authority with a code', async () => {
  const metadata = { annotations: { 'valetkey.dev/code': 'cloud_unavailable' } };
  const event = {
    ...{ metadata, message: 'no answer', lastTimestamp: '2026-01-01T00:00:00Z' },
    ...{
      involvedObject: { namespace: 'n', name: 'p' },
      source: { component: 'valetkey-authority' },
    },
  };
  api.put('/api/v1/namespaces/n/events/one', event);
  api.put('/api/v1/namespaces/n/events/two', { ...event, source: { component: 'kubelet' } });
  api.put('/api/v1/namespaces/n/events/three', { ...event, metadata: {} });
  const listed = [];
  for await (const each of installation.listAuthorityEvents()) listed.push(each);
  expect(listed).toEqual([
    {
      namespace: 'n',
      pod: 'p',
      code: 'cloud_unavailable',
      message: 'no answer',
      at: 1767225600000,
    },
  ]);
});
