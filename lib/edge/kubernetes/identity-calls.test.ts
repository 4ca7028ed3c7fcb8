import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { readClusterIssuer, createClusterJwksFetcher } from './cluster-issuer.ts';
import { createApiClient, type ApiClient } from './api-client.ts';
import { startFakeApiServer, type FakeApiServer } from './fixtures/fake-api-server.ts';
import { createPodReader } from './pod-reader.ts';
import { createNamespaceLabelReader } from './namespace-labels.ts';
import { createPodEventEmitter, type PodEvent } from './pod-events.ts';
import { createServiceAccountReader } from './service-accounts.ts';
import { createUsedHandleLeaseStore } from './used-handle-leases.ts';
import { createTokenReviewer } from './token-reviews.ts';

let api: FakeApiServer;
let calls: ApiClient;
beforeEach(async () => {
  api = await startFakeApiServer();
  calls = createApiClient(api);
});
afterEach(() => api.close());

describe('readClusterIssuer and createClusterJwksFetcher', () => {
  it('return what the API server publishes', async () => {
    api.put('/openid/v1/jwks', { keys: [{ kid: 'a' }] });
    api.put('/.well-known/openid-configuration', { issuer: 'https://cluster' });
    expect(await createClusterJwksFetcher(calls)()).toMatchObject({ keys: [{ kid: 'a' }] });
    expect(await readClusterIssuer(calls)).toBe('https://cluster');
  });

  it('throw when the document has no issuer', async () => {
    api.put('/.well-known/openid-configuration', {});
    await expect(readClusterIssuer(calls)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('createPodReader', () => {
  const place = { namespace: 'research', name: 'agent-0' };
  const path = '/api/v1/namespaces/research/pods/agent-0';

  it('keeps unknown members', async () => {
    api.put(path, { metadata: { uid: 'u' }, spec: { fromTheFuture: { deep: [1] } } });
    expect(await createPodReader(calls)(place)).toMatchObject({
      metadata: { uid: 'u' },
      spec: { fromTheFuture: { deep: [1] } },
    });
  });

  it('returns undefined for a deleted pod and throws when the API server fails', async () => {
    expect(await createPodReader(calls)(place)).toBeUndefined();
    api.fail(/pods/, 500);
    await expect(createPodReader(calls)(place)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('escapes namespace and name', async () => {
    await createPodReader(calls)({ namespace: 'a/../b', name: 'c?watch=1' });
    expect(api.requests).toEqual(['GET /api/v1/namespaces/a%2F..%2Fb/pods/c%3Fwatch%3D1']);
  });
});

describe('createTokenReviewer', () => {
  it('requests one audience and returns the status', async () => {
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

  it.each([[{}], [{ authenticated: 'yes' }], [{ error: 'invalid bearer token' }]])(
    'does not authenticate with status %j',
    async (status) => {
      api.review(() => status);
      expect(await createTokenReviewer(calls)('token', 'a')).toMatchObject({
        authenticated: false,
      });
    },
  );
});

describe('createNamespaceLabelReader', () => {
  const path = '/api/v1/namespaces/research';

  it('caches labels for two seconds', async () => {
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

  it('returns no labels for an unlabeled namespace and undefined for a missing one', async () => {
    const read = createNamespaceLabelReader(calls, () => 0);
    api.put(path, {});
    expect(await read('research')).toEqual({});
    expect(await read('elsewhere')).toBeUndefined();
  });

  it('does not cache a failure', async () => {
    const read = createNamespaceLabelReader(calls, () => 0);
    api.put(path, {});
    api.fail(/namespaces/, 503);
    await expect(read('research')).rejects.toMatchObject({ code: 'unavailable' });
    api.recover();
    expect(await read('research')).toEqual({});
  });
});

describe('createUsedHandleLeaseStore', () => {
  const lease = {
    ...{ name: 'used-ab12', kind: 'user-token', holder: 'attempt-1' },
    ...{ usedAt: 1_767_225_000_000, endsAt: 1_767_225_600_123 },
  };
  const folder = '/apis/coordination.k8s.io/v1/namespaces/valetkey/leases';

  it('creates a Lease once, lists it with its end and removes it', async () => {
    const leases = createUsedHandleLeaseStore(calls, 'valetkey');
    expect(await leases.create(lease)).toBe('created');
    expect(await leases.create(lease)).toBe('exists');
    expect(api.get(`${folder}/used-ab12`)).toMatchObject({
      metadata: { labels: { 'valetkey.dev/handle-kind': 'user-token' } },
      spec: { renewTime: '2026-01-01T00:00:00.123000Z' },
    });
    expect(await leases.list()).toEqual([lease]);
    expect(await leases.read('used-ab12')).toEqual(lease);
    expect(await leases.read('used-cd34')).toBeUndefined();
    await leases.remove('used-ab12');
    await leases.remove('used-ab12');
    expect(await leases.list()).toEqual([]);
  });

  it('ignores Leases of other programs', async () => {
    const leases = createUsedHandleLeaseStore(calls, 'valetkey');
    api.put(`${folder}/theirs`, { spec: { renewTime: '2020-01-01T00:00:00.000000Z' } });
    api.put(`${folder}/endless`, { metadata: { labels: { 'valetkey.dev/used-once': 'true' } } });
    expect(await leases.list()).toEqual([]);
  });

  it('throws when the API server fails', async () => {
    api.fail(/leases/, 503);
    const leases = createUsedHandleLeaseStore(calls, 'valetkey');
    await expect(leases.create(lease)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('createPodEventEmitter', () => {
  const event: PodEvent = {
    namespace: 'research',
    pod: { name: 'agent-0', uid: 'u' },
    reason: 'RunRefused',
    code: 'policy_denied',
    message: 'policy_denied: no policy permits it',
  };
  const created = () => api.requests.filter((each) => each.startsWith('POST '));

  it('emits a warning with pod, reason and source', async () => {
    await createPodEventEmitter(calls, { replica: 'authority-0', now: () => 1_767_225_600_000 })(
      event,
    );
    expect(created()).toEqual(['POST /api/v1/namespaces/research/events']);
    const [, hash] = /^agent-0\.([0-9a-f]{12})\./.exec(api.lastCreated()) ?? [];
    expect(hash).toBeDefined();
    expect(api.get(`/api/v1/namespaces/research/events/${api.lastCreated()}`)).toMatchObject({
      involvedObject: { kind: 'Pod', namespace: 'research', name: 'agent-0', uid: 'u' },
      metadata: { annotations: { 'valetkey.dev/code': 'policy_denied' } },
      type: 'Warning',
      reason: 'RunRefused',
      message: 'policy_denied: no policy permits it',
      lastTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'valetkey-authority', host: 'authority-0' },
    });
  });

  it('shows the ID of the request, which makes no other event of it', async () => {
    const emit = createPodEventEmitter(calls, { replica: 'authority-0', now: () => 0 });
    await emit({ ...event, message: 'long '.repeat(300), requestId: 'request-1' });
    await emit({ ...event, message: 'long '.repeat(300), requestId: 'request-2' });
    expect(created()).toHaveLength(1);
    const stored = api.get(`/api/v1/namespaces/research/events/${api.lastCreated()}`);
    expect(stored?.metadata.annotations).toMatchObject({ 'valetkey.dev/request': 'request-1' });
    expect(stored?.['message']).toMatch(/… \(request request-1\)$/);
    expect(String(stored?.['message']).length).toBeLessThanOrEqual(1024);
  });

  it('emits the same event once a minute and another one immediately', async () => {
    let at = 0;
    const emit = createPodEventEmitter(calls, { replica: 'authority-0', now: () => at });
    await emit(event);
    await emit(event);
    await emit({ ...event, message: 'another' });
    await emit({ ...event, pod: { name: 'agent-0', uid: 'v' } });
    expect(created()).toHaveLength(3);
    at = 60_000;
    await emit(event);
    expect(created()).toHaveLength(4);
  });

  it('limits the events of one pod', async () => {
    let at = 0;
    const emit = createPodEventEmitter(calls, { replica: 'authority-0', now: () => at });
    for (let count = 0; count < 40; count += 1) await emit({ ...event, message: `no ${count}` });
    expect(created()).toHaveLength(25);
    await emit({ ...event, pod: { name: 'agent-1', uid: 'v' } });
    expect(created()).toHaveLength(26);
    at = 60_000;
    await emit({ ...event, message: 'once more' });
    expect(created()).toHaveLength(27);
  });

  it('emits one event a minute for what is unavailable, whatever its message', async () => {
    const emit = createPodEventEmitter(calls, { replica: 'authority-0', now: () => 0 });
    const unavailable: PodEvent = { ...event, reason: 'RunUnavailable', code: 'internal_error' };
    await emit({ ...unavailable, message: 'internal error 1' });
    await emit({ ...unavailable, message: 'internal error 2' });
    await emit({ ...unavailable, code: 'cloud_unavailable', message: 'no answer' });
    expect(created()).toHaveLength(2);
  });

  it('limits events about what is unavailable for all pods together, but not refusals', async () => {
    const emit = createPodEventEmitter(calls, { replica: 'authority-0', now: () => 0 });
    const unavailable: PodEvent = { ...event, reason: 'RunUnavailable', code: 'cloud_unavailable' };
    for (let count = 0; count < 80; count += 1) {
      await emit({ ...unavailable, pod: { name: `agent-${count}`, uid: `u-${count}` } });
    }
    expect(created()).toHaveLength(50);
    await emit(event);
    expect(created()).toHaveLength(51);
  });

  it('emits an event again after a failure', async () => {
    const emit = createPodEventEmitter(calls, { replica: 'authority-0', now: () => 0 });
    api.fail(/events/, 503);
    await expect(emit(event)).rejects.toMatchObject({ code: 'unavailable' });
    api.recover();
    await emit(event);
    expect(created()).toHaveLength(2);
  });

  it('truncates name and message of an event', async () => {
    const name = `${'a'.repeat(199)}.${'b'.repeat(53)}`;
    const emit = createPodEventEmitter(calls, {
      replica: 'authority-0',
      now: () => 1_767_225_600_000,
    });
    await emit({ ...event, pod: { name, uid: 'u' }, message: 'word '.repeat(1000) });
    const eventName = api.lastCreated();
    expect(eventName.length).toBeLessThan(254);
    expect(eventName).not.toContain('..');
    const stored = api.get(`/api/v1/namespaces/research/events/${eventName}`);
    expect(String(stored?.['message']).length).toBeLessThanOrEqual(1024);
    expect(stored?.['message']).toMatch(/ word …$/);
  });
});

describe('createServiceAccountReader', () => {
  const place = { namespace: 'research', name: 'agent' };
  const path = '/api/v1/namespaces/research/serviceaccounts/agent';

  it('reads annotations by name and caches them for two seconds', async () => {
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

  it('returns undefined for a missing service account and throws when the API server fails', async () => {
    const read = createServiceAccountReader(calls, () => 0);
    expect(await read(place)).toBeUndefined();
    api.fail(/serviceaccounts/, 503);
    const other = { ...place, name: 'other' };
    await expect(read(other)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
