import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { readClusterIssuer, createClusterJwksFetcher } from './cluster-issuer.ts';
import { createApiClient, type ApiClient } from './api-client.ts';
import { startFakeApiServer, type FakeApiServer } from './fixtures/fake-api-server.ts';
import { createPodReader } from './pod-reader.ts';
import { createNamespaceLabelReader } from './namespace-labels.ts';
import { createPodEventEmitter, type PodEvent } from './pod-events.ts';
import { createServiceAccountReader } from './service-accounts.ts';
import { createUsedTokenLeaseStore } from './used-token-leases.ts';
import { createTokenReviewer } from './token-reviews.ts';

let api: FakeApiServer;
let calls: ApiClient;
beforeEach(async () => {
  api = await startFakeApiServer();
  calls = createApiClient(api);
});
afterEach(() => api.close());

describe('the cluster’s issuer', () => {
  test('and its keys are what the API server publishes', async () => {
    api.put('/openid/v1/jwks', { keys: [{ kid: 'a' }] });
    api.put('/.well-known/openid-configuration', { issuer: 'https://cluster' });
    expect(await createClusterJwksFetcher(calls)()).toMatchObject({ keys: [{ kid: 'a' }] });
    expect(await readClusterIssuer(calls)).toBe('https://cluster');
  });

  test('that is named nowhere is not made up', async () => {
    api.put('/.well-known/openid-configuration', {});
    await expect(readClusterIssuer(calls)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('a live pod', () => {
  const place = { namespace: 'research', name: 'agent-0' };
  const path = '/api/v1/namespaces/research/pods/agent-0';

  test('keeps members that no library knows', async () => {
    api.put(path, { metadata: { uid: 'u' }, spec: { fromTheFuture: { deep: [1] } } });
    expect(await createPodReader(calls)(place)).toMatchObject({
      metadata: { uid: 'u' },
      spec: { fromTheFuture: { deep: [1] } },
    });
  });

  test('that is gone is nothing, and one that nobody can ask for is an error', async () => {
    expect(await createPodReader(calls)(place)).toBeUndefined();
    api.fail(/pods/, 500);
    await expect(createPodReader(calls)(place)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('is asked for by its name alone, whatever that is', async () => {
    await createPodReader(calls)({ namespace: 'a/../b', name: 'c?watch=1' });
    expect(api.requests).toEqual(['GET /api/v1/namespaces/a%2F..%2Fb/pods/c%3Fwatch%3D1']);
  });
});

describe('a token review', () => {
  test('asks for one audience and answers what the API server says', async () => {
    const asked: unknown[] = [];
    const extra = { 'authentication.kubernetes.io/pod-uid': ['u'] };
    api.review((spec) => {
      asked.push(spec);
      return { authenticated: true, audiences: ['a'], user: { username: 'n', uid: 'i', extra } };
    });
    expect(await createTokenReviewer(calls)('token', 'a')).toEqual({
      ...{ authenticated: true, audiences: ['a'], username: 'n', uid: 'i', extra },
    });
    expect(asked).toEqual([{ token: 'token', audiences: ['a'] }]);
  });

  test.each([[{}], [{ authenticated: 'yes' }], [{ error: 'invalid bearer token' }]])(
    'with status %j authenticates nobody',
    async (status) => {
      api.review(() => status);
      expect(await createTokenReviewer(calls)('token', 'a')).toMatchObject({
        authenticated: false,
      });
    },
  );
});

describe('the labels of a namespace', () => {
  const path = '/api/v1/namespaces/research';

  test('are remembered for two seconds', async () => {
    let at = 0;
    const read = createNamespaceLabelReader(calls, () => at);
    api.put(path, { metadata: { labels: { team: 'one' } } });
    await Promise.all([read('research'), read('research')]);
    api.put(path, { metadata: { labels: { team: 'two' } } });
    at = 2_000;
    expect(await read('research')).toEqual({ team: 'one' });
    at = 2_001;
    expect(await read('research')).toEqual({ team: 'two' });
    expect(api.requests).toHaveLength(2);
  });

  test('are none where it has none, and nothing where it is not', async () => {
    const read = createNamespaceLabelReader(calls, () => 0);
    api.put(path, {});
    expect(await read('research')).toEqual({});
    expect(await read('elsewhere')).toBeUndefined();
  });

  test('that could not be had are asked for again at once', async () => {
    const read = createNamespaceLabelReader(calls, () => 0);
    api.put(path, {});
    api.fail(/namespaces/, 503);
    await expect(read('research')).rejects.toMatchObject({ code: 'unavailable' });
    api.recover();
    expect(await read('research')).toEqual({});
  });
});

describe('the lease of a spent token', () => {
  const lease = { name: 'used-ab12', endsAt: 1_767_225_600_123 };
  const folder = '/apis/coordination.k8s.io/v1/namespaces/valetkey/leases';

  test('is made once, found with its end, and removed', async () => {
    const leases = createUsedTokenLeaseStore(calls, 'valetkey');
    expect(await leases.create(lease)).toBe('created');
    expect(await leases.create(lease)).toBe('exists');
    expect(api.get(`${folder}/used-ab12`)).toMatchObject({
      spec: { renewTime: '2026-01-01T00:00:00.123000Z' },
    });
    expect(await leases.list()).toEqual([lease]);
    await leases.remove('used-ab12');
    await leases.remove('used-ab12');
    expect(await leases.list()).toEqual([]);
  });

  test('is told from leases of others', async () => {
    const leases = createUsedTokenLeaseStore(calls, 'valetkey');
    api.put(`${folder}/theirs`, { spec: { renewTime: '2020-01-01T00:00:00.000000Z' } });
    api.put(`${folder}/endless`, { metadata: { labels: { 'valetkey.dev/used-token': 'true' } } });
    expect(await leases.list()).toEqual([]);
  });

  test('is neither made nor there already while the API server fails', async () => {
    api.fail(/leases/, 503);
    const leases = createUsedTokenLeaseStore(calls, 'valetkey');
    await expect(leases.create(lease)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('an event on a pod', () => {
  const event: PodEvent = {
    namespace: 'research',
    pod: { name: 'agent-0', uid: 'u' },
    reason: 'RunRefused',
    message: 'policy_denied: no policy permits it',
  };
  const created = () => api.requests.filter((each) => each.startsWith('POST '));

  test('is a warning that names the pod, its reason and who tells it', async () => {
    await createPodEventEmitter(calls, { replica: 'authority-0', now: () => 1_767_225_600_000 })(
      event,
    );
    expect(created()).toEqual(['POST /api/v1/namespaces/research/events']);
    const [, hash] = /^agent-0\.([0-9a-f]{12})\./.exec(api.lastCreated()) ?? [];
    expect(hash).toBeDefined();
    expect(api.get(`/api/v1/namespaces/research/events/${api.lastCreated()}`)).toMatchObject({
      involvedObject: { kind: 'Pod', namespace: 'research', name: 'agent-0', uid: 'u' },
      type: 'Warning',
      reason: 'RunRefused',
      message: 'policy_denied: no policy permits it',
      lastTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'valetkey-authority', host: 'authority-0' },
    });
  });

  test('is told once a minute, and another at once', async () => {
    let at = 0;
    const tell = createPodEventEmitter(calls, { replica: 'authority-0', now: () => at });
    await tell(event);
    await tell(event);
    await tell({ ...event, message: 'another' });
    await tell({ ...event, pod: { name: 'agent-0', uid: 'v' } });
    expect(created()).toHaveLength(3);
    at = 60_000;
    await tell(event);
    expect(created()).toHaveLength(4);
  });

  test('is told of one pod for so long, however many things it makes us say', async () => {
    let at = 0;
    const tell = createPodEventEmitter(calls, { replica: 'authority-0', now: () => at });
    for (let count = 0; count < 40; count += 1) await tell({ ...event, message: `no ${count}` });
    expect(created()).toHaveLength(25);
    await tell({ ...event, pod: { name: 'agent-1', uid: 'v' } });
    expect(created()).toHaveLength(26);
    at = 60_000;
    await tell({ ...event, message: 'once more' });
    expect(created()).toHaveLength(27);
  });

  test('that could not be told is told at the next occasion', async () => {
    const tell = createPodEventEmitter(calls, { replica: 'authority-0', now: () => 0 });
    api.fail(/events/, 503);
    await expect(tell(event)).rejects.toMatchObject({ code: 'unavailable' });
    api.recover();
    await tell(event);
    expect(created()).toHaveLength(2);
  });

  test('of a pod with the longest of names, and much to say, has a name and a text that fit', async () => {
    const name = `${'a'.repeat(199)}.${'b'.repeat(53)}`;
    const tell = createPodEventEmitter(calls, {
      replica: 'authority-0',
      now: () => 1_767_225_600_000,
    });
    await tell({ ...event, pod: { name, uid: 'u' }, message: 'x'.repeat(5000) });
    const told = api.lastCreated();
    expect(told.length).toBeLessThan(254);
    expect(told).not.toContain('..');
    const stored = api.get(`/api/v1/namespaces/research/events/${told}`);
    expect(stored?.['message']).toHaveLength(1024);
  });
});

describe('the annotations of a service account', () => {
  const place = { namespace: 'research', name: 'agent' };
  const path = '/api/v1/namespaces/research/serviceaccounts/agent';

  test('are read by its name, and remembered for two seconds', async () => {
    let at = 0;
    const read = createServiceAccountReader(calls, () => at);
    api.put(path, { metadata: { annotations: { a: 'one' } } });
    expect(await read(place)).toEqual({ a: 'one' });
    api.put(path, { metadata: {} });
    expect(await read(place)).toEqual({ a: 'one' });
    at = 2_001;
    expect(await read(place)).toEqual({});
    await read({ namespace: 'a/../b', name: 'c?d' });
    expect(api.requests.at(-1)).toBe('GET /api/v1/namespaces/a%2F..%2Fb/serviceaccounts/c%3Fd');
  });

  test('are nothing where it is not, and an error where nobody can be asked', async () => {
    const read = createServiceAccountReader(calls, () => 0);
    expect(await read(place)).toBeUndefined();
    api.fail(/serviceaccounts/, 503);
    const other = { ...place, name: 'other' };
    await expect(read(other)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
