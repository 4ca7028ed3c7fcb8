import { afterEach, beforeEach, describe, expect, jest, it } from '@jest/globals';

import { createKubernetesClient, type KubernetesClient } from './kubernetes-client.ts';
import { watchCustomResources } from './custom-resource-watch.ts';
import {
  createCustomResourceClient,
  type CustomResource,
  type CustomResourceKind,
} from './custom-resources.ts';
import { createApiClient } from './api-client.ts';
import { startFakeApiServer, type FakeApiServer } from './fixtures/fake-api-server.ts';
import type { KubernetesError } from './kubernetes-error.ts';
import { readOwnUsername } from './self-subject-review.ts';
import { createRoleLease } from './role-lease.ts';
import { waitUntil } from '../../../test/kit/retry.ts';

let api: FakeApiServer;
let kubernetes: KubernetesClient;
beforeEach(async () => {
  api = await startFakeApiServer();
  kubernetes = createKubernetesClient(api.config);
});
afterEach(() => api.close());

const collection = '/apis/valetkey.dev/v1alpha1/revocations';
const kind = { kind: 'Revocation', plural: 'revocations' } as const;

const namespaced = { kind: 'ApprovalRequest', plural: 'approvalrequests' };
const inNamespace = (namespace: string): string =>
  `/apis/valetkey.dev/v1alpha1/namespaces/${namespace}/approvalrequests`;

describe('createCustomResourceClient', () => {
  const open = () => createCustomResourceClient(createApiClient(kubernetes), kind);

  it('creates one object for a name', async () => {
    const resources = open();
    expect(await resources.create('one', { reason: 'a' })).toBe('created');
    expect(await resources.create('one', { reason: 'b' })).toBe('exists');
    expect(api.get(`${collection}/one`)).toMatchObject({
      apiVersion: 'valetkey.dev/v1alpha1',
      kind: 'Revocation',
      spec: { reason: 'a' },
    });
  });

  it('lists all pages', async () => {
    for (let n = 0; n < 1001; n += 1) api.put(`${collection}/r${n}`, { spec: {} });
    const { items } = await open().list();
    expect(new Set(items.map(({ metadata }) => metadata.name)).size).toBe(1001);
    expect(api.requests.filter((request) => request.startsWith('GET'))).toHaveLength(3);
  });

  it('removes an object only if its UID matches', async () => {
    api.put(`${collection}/one`, { metadata: { uid: 'later' }, spec: {} });
    const resources = open();
    expect(await resources.remove('one', 'earlier')).toBe('gone');
    expect(api.get(`${collection}/one`)).toBeDefined();
    expect(await resources.remove('one', 'later')).toBe('removed');
    expect(await resources.remove('one', 'later')).toBe('gone');
  });

  it('writes a status unless another client wrote', async () => {
    api.put(`${collection}/one`, { spec: { reason: 'a' } });
    const resources = open();
    const { resourceVersion = '' } = api.get(`${collection}/one`)?.metadata ?? {};
    const change = { name: 'one', resourceVersion, status: { conditions: [] } };
    expect(await resources.writeStatus(change)).toBe('written');
    expect(await resources.writeStatus(change)).toBe('conflict');
    expect(api.requests.at(-1)).toBe(`PATCH ${collection}/one/status`);
    expect(api.get(`${collection}/one`)).toMatchObject({ spec: { reason: 'a' }, status: {} });
  });

  it('creates, lists and removes objects of a namespaced kind in their namespace', async () => {
    const calls = createApiClient(kubernetes);
    const [sales, research, everywhere] = ['sales', 'research', undefined].map((namespace) =>
      createCustomResourceClient(calls, namespaced, namespace),
    );
    expect(await sales?.create('one', {})).toBe('created');
    expect(await research?.create('one', {})).toBe('created');
    const { namespace, uid = '' } = api.get(`${inNamespace('sales')}/one`)?.metadata ?? {};
    expect(namespace).toBe('sales');
    expect((await sales?.list())?.items).toHaveLength(1);
    expect((await everywhere?.list())?.items).toHaveLength(2);
    expect(await sales?.remove('one', uid)).toBe('removed');
    expect((await everywhere?.list())?.items).toMatchObject([
      { metadata: { namespace: 'research' } },
    ]);
  });

  it('throws refused when listing is denied', async () => {
    api.fail(/revocations/, 403);
    const answer = open().list();
    await expect(answer).rejects.toMatchObject({ code: 'refused', culprit: 'list revocations' });
  });
});

describe('watchCustomResources', () => {
  /** @param watchSeconds 0: a watch may end at any time */
  const open = (watched: CustomResourceKind = kind, watchSeconds?: number) => {
    const states: (readonly CustomResource[])[] = [];
    const errors: KubernetesError[] = [];
    const attempts: number[] = [];
    let syncs = 0;
    const stop = watchCustomResources(kubernetes, {
      ...watched,
      ...(watchSeconds !== undefined && { watchSeconds }),
      onState: (all) => states.push(all),
      onSync: () => (syncs += 1),
      onError: (error) => errors.push(error),
      backoffMs: (attempt) => (attempts.push(attempt), 1),
    });
    const names = () => states.at(-1)?.map(({ metadata }) => metadata.name);
    return { states, errors, attempts, stop, names, syncs: () => syncs };
  };
  const calls = () => api.requests.filter((one) => one === `GET ${collection}`).length;
  const watching = () => calls() >= 2;

  it('distinguishes objects of one name in several namespaces', async () => {
    const metadata = (namespace: string) => ({ metadata: { namespace }, spec: {} });
    api.put(`${inNamespace('sales')}/one`, metadata('sales'));
    api.put(`${inNamespace('research')}/one`, metadata('research'));
    const { states, stop } = open(namespaced);
    const namespaces = () =>
      states
        .at(-1)
        ?.map((each) => each.metadata.namespace)
        .join();
    await waitUntil(() => namespaces() === 'sales,research');
    await waitUntil(() => api.requests.length >= 2);
    api.put(`${inNamespace('support')}/one`, metadata('support'));
    await waitUntil(() => namespaces() === 'sales,research,support');
    api.remove(`${inNamespace('sales')}/one`);
    await waitUntil(() => namespaces() === 'research,support');
    stop();
  });

  it('reports existing, added and deleted objects and keeps unchanged ones', async () => {
    api.put(`${collection}/one`, { spec: {} });
    const { states, names, stop } = open();
    await waitUntil(() => names()?.join() === 'one');
    await waitUntil(watching);
    api.put(`${collection}/two`, { spec: {} });
    await waitUntil(() => names()?.join() === 'one,two');
    expect(states.at(-1)?.[0]).toBe(states[0]?.[0]);
    api.remove(`${collection}/one`);
    await waitUntil(() => names()?.join() === 'two');
    stop();
  });

  it('reports an empty list', async () => {
    const { states, stop } = open();
    await waitUntil(() => states.length > 0);
    stop();
    expect(states[0]).toEqual([]);
  });

  it('combines simultaneous changes', async () => {
    const { states, names, stop } = open();
    await waitUntil(watching);
    for (let n = 0; n < 50; n += 1) api.put(`${collection}/r${n}`, { spec: {} });
    await waitUntil(() => names()?.length === 50);
    stop();
    expect(states.length).toBeLessThan(25);
  });

  it('continues after a timeout without a new list', async () => {
    api.put(`${collection}/one`, { spec: {} });
    const { names, states, syncs, stop } = open(kind, 0);
    await waitUntil(watching);
    const before = syncs();
    api.endWatches();
    await waitUntil(() => syncs() > before && calls() >= 4);
    api.put(`${collection}/two`, { spec: {} });
    await waitUntil(() => names()?.join() === 'one,two');
    stop();
    // A list, two watches, and the version of the store.
    expect(calls()).toBe(4);
    expect(states.at(-1)?.[0]).toBe(states[0]?.[0]);
  });

  it('continues a long watch immediately, without a negative timer', async () => {
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const { syncs, stop } = open();
    await waitUntil(watching);
    const began = performance.now();
    await waitUntil(() => performance.now() > began + 510);
    const before = syncs();
    api.endWatches();
    await waitUntil(() => syncs() > before && calls() >= 3);
    stop();
    expect(timers.mock.calls.filter(([, ms = 0]) => ms < 0)).toEqual([]);
    timers.mockRestore();
  });

  it('lists again after a watch that ended before its time', async () => {
    api.put(`${collection}/one`, { spec: {} });
    const { states, errors, stop } = open();
    await waitUntil(watching);
    api.endWatches();
    await waitUntil(() => states.length === 2);
    stop();
    expect(states[1]?.[0]).not.toBe(states[0]?.[0]);
    expect(errors).toEqual([]);
  });

  it('lists again when the history is gone', async () => {
    api.put(`${collection}/one`, { spec: {} });
    const { names, errors, stop } = open(kind, 0);
    await waitUntil(watching);
    api.endWatches('gone');
    api.put(`${collection}/two`, { spec: {} });
    await waitUntil(() => names()?.join() === 'one,two');
    stop();
    expect(errors).toEqual([]);
  });

  it('misses no change after a broken connection', async () => {
    api.put(`${collection}/one`, { spec: {} });
    const { names, stop } = open();
    await waitUntil(watching);
    api.breakWatches();
    api.remove(`${collection}/one`);
    api.put(`${collection}/two`, { spec: {} });
    await waitUntil(() => names()?.join() === 'two');
    stop();
  });

  it('reports contact but no change for a bookmark', async () => {
    const { states, syncs, stop } = open();
    await waitUntil(() => watching() && states.length === 1);
    const before = syncs();
    const metadata = { resourceVersion: '900', creationTimestamp: null };
    await waitUntil(() => {
      api.sendToWatches(collection, { type: 'BOOKMARK', object: { metadata } });
      return syncs() > before;
    });
    stop();
    expect(states).toHaveLength(1);
  });

  it('increases the delay when watching is denied', async () => {
    const { attempts, errors, stop } = open();
    await waitUntil(watching);
    const error = { kind: 'Status', code: 403 };
    await waitUntil(() => {
      api.sendToWatches(collection, { type: 'ERROR', object: error });
      api.endWatches();
      return errors.length >= 3;
    });
    stop();
    expect(errors[0]).toMatchObject({ code: 'refused', culprit: 'watch revocations' });
    expect(attempts.slice(0, 3)).toEqual([1, 2, 3]);
  });

  it('reports and requests nothing after it is stopped', async () => {
    const { states, stop } = open();
    await waitUntil(watching);
    stop();
    const before = [states.length, calls()];
    api.put(`${collection}/one`, { spec: {} });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([states.length, calls()]).toEqual(before);
  });
});

describe('createRoleLease', () => {
  const path = '/apis/coordination.k8s.io/v1/namespaces/valetkey/leases/deny-list-1';
  const open = (holder: string) => {
    const time = { at: 0 };
    const lease = createRoleLease(createApiClient(kubernetes), {
      namespace: 'valetkey',
      name: 'deny-list-1',
      holder,
      durationSeconds: 30,
      clock: { now: () => 1_700_000_000_000, monotonic: () => time.at },
    });
    return { lease, time };
  };

  it('creates a Lease that one process holds and releases with a note', async () => {
    const [one, other] = [open('one').lease, open('other').lease];
    const held = await one.acquire();
    expect(held).toMatchObject({ note: '', until: 30_000 });
    expect(api.get(path)?.['spec']).toMatchObject({
      holderIdentity: 'one',
      renewTime: '2023-11-14T22:13:20.000000Z',
      leaseDurationSeconds: 30,
    });
    expect(await other.acquire()).toBeUndefined();
    await held?.release('done');
    expect((await other.acquire())?.note).toBe('done');
  });

  it('acquires a Lease that has not changed for its whole duration', async () => {
    await open('lost').lease.acquire();
    const { lease, time } = open('other');
    expect(await lease.acquire()).toBeUndefined();
    time.at = 30_000;
    expect(await lease.acquire()).toBeUndefined();
    time.at = 30_001;
    expect(await lease.acquire()).toBeDefined();
  });

  it('does not release a Lease that another process has acquired', async () => {
    const late = await open('late').lease.acquire();
    const { lease, time } = open('other');
    await lease.acquire();
    time.at = 30_001;
    await lease.acquire();
    await late?.release('late');
    expect(api.get(path)?.['spec']).toMatchObject({ holderIdentity: 'other' });
  });

  it('lets only one of several concurrent processes acquire it', async () => {
    const taken = await Promise.all(['a', 'b', 'c'].map((name) => open(name).lease.acquire()));
    expect(taken.filter((held) => held !== undefined)).toHaveLength(1);
  });
});

it('readOwnUsername throws when the response has no user name', async () => {
  const calls = (username?: string) => () =>
    Promise.resolve({ status: { userInfo: { username } } });
  const name = 'system:serviceaccount:valetkey:valetkey-authority';
  expect(await readOwnUsername(calls(name))).toBe(name);
  await expect(readOwnUsername(calls())).rejects.toMatchObject({
    culprit: 'create selfsubjectreview',
  });
});
