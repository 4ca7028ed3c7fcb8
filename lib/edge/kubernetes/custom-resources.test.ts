import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';

import { createKubernetesClient, type KubernetesClient } from './kubernetes-client.ts';
import { watchCustomResources } from './custom-resource-watch.ts';
import { createCustomResourceClient, type CustomResource } from './custom-resources.ts';
import { createApiClient } from './api-client.ts';
import { startFakeApiServer, type FakeApiServer } from './fixtures/fake-api-server.ts';
import type { KubernetesError } from './kubernetes-error.ts';
import { readOwnUsername } from './self-subject-review.ts';
import { createRoleLease } from './role-lease.ts';

let api: FakeApiServer;
let kubernetes: KubernetesClient;
beforeEach(async () => {
  api = await startFakeApiServer();
  kubernetes = createKubernetesClient(api.config);
});
afterEach(() => api.close());

const collection = '/apis/valetkey.dev/v1alpha1/revocations';
const kind = { kind: 'Revocation', plural: 'revocations' } as const;

/** Resolves when `isSo`; fails where it does not come to be. */
const waitUntil = async (isSo: () => boolean): Promise<void> => {
  const end = performance.now() + 4000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`never so: ${isSo.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

describe('our resources', () => {
  const open = () => createCustomResourceClient(createApiClient(kubernetes), kind);

  test('are created once under a name', async () => {
    const resources = open();
    expect(await resources.create('one', { reason: 'a' })).toBe('created');
    expect(await resources.create('one', { reason: 'b' })).toBe('exists');
    expect(api.get(`${collection}/one`)).toMatchObject({
      apiVersion: 'valetkey.dev/v1alpha1',
      kind: 'Revocation',
      spec: { reason: 'a' },
    });
  });

  test('are listed whole, however many pages they take', async () => {
    for (let n = 0; n < 1001; n += 1) api.put(`${collection}/r${n}`, { spec: {} });
    const { items } = await open().list();
    expect(new Set(items.map(({ metadata }) => metadata.name)).size).toBe(1001);
    expect(api.requests.filter((request) => request.startsWith('GET'))).toHaveLength(3);
  });

  test('are removed only while they are the ones that were meant', async () => {
    api.put(`${collection}/one`, { metadata: { uid: 'later' }, spec: {} });
    const resources = open();
    expect(await resources.remove('one', 'earlier')).toBe('gone');
    expect(api.get(`${collection}/one`)).toBeDefined();
    expect(await resources.remove('one', 'later')).toBe('removed');
    expect(await resources.remove('one', 'later')).toBe('gone');
  });

  test('are given a status while nobody else wrote', async () => {
    api.put(`${collection}/one`, { spec: { reason: 'a' } });
    const resources = open();
    const { resourceVersion = '' } = api.get(`${collection}/one`)?.metadata ?? {};
    const change = { name: 'one', resourceVersion, status: { conditions: [] } };
    expect(await resources.writeStatus(change)).toBe('written');
    expect(await resources.writeStatus(change)).toBe('conflict');
    expect(api.requests.at(-1)).toBe(`PATCH ${collection}/one/status`);
    expect(api.get(`${collection}/one`)).toMatchObject({ spec: { reason: 'a' }, status: {} });
  });

  test('that may not be listed are an error that says so', async () => {
    api.fail(/revocations/, 403);
    const answer = open().list();
    await expect(answer).rejects.toMatchObject({ code: 'refused', culprit: 'list revocations' });
  });
});

describe('a watch of our resources', () => {
  const open = () => {
    const states: (readonly CustomResource[])[] = [];
    const errors: KubernetesError[] = [];
    const attempts: number[] = [];
    let heard = 0;
    const stop = watchCustomResources(kubernetes, {
      ...kind,
      onState: (all) => states.push(all),
      onSync: () => (heard += 1),
      onError: (error) => errors.push(error),
      backoffMs: (attempt) => (attempts.push(attempt), 1),
    });
    const names = () => states.at(-1)?.map(({ metadata }) => metadata.name);
    return { states, errors, attempts, stop, names, heard: () => heard };
  };
  const calls = () => api.requests.filter((one) => one === `GET ${collection}`).length;
  const watching = () => calls() >= 2;

  test('tells what is there, what comes and what goes, and keeps what did not change', async () => {
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

  test('of nothing tells that there is nothing', async () => {
    const { states, stop } = open();
    await waitUntil(() => states.length > 0);
    stop();
    expect(states[0]).toEqual([]);
  });

  test('tells many changes at once as few', async () => {
    const { states, names, stop } = open();
    await waitUntil(watching);
    for (let n = 0; n < 50; n += 1) api.put(`${collection}/r${n}`, { spec: {} });
    await waitUntil(() => names()?.length === 50);
    stop();
    expect(states.length).toBeLessThan(25);
  });

  test('that ended in its time is taken up where it was, without a new list', async () => {
    api.put(`${collection}/one`, { spec: {} });
    const { names, states, heard, stop } = open();
    await waitUntil(watching);
    const before = heard();
    api.endWatches();
    await waitUntil(() => heard() > before && calls() >= 3);
    api.put(`${collection}/two`, { spec: {} });
    await waitUntil(() => names()?.join() === 'one,two');
    stop();
    expect(calls()).toBe(3);
    expect(states.at(-1)?.[0]).toBe(states[0]?.[0]);
  });

  test('that stood for long is taken up at once: no timer is set for the past', async () => {
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const { heard, stop } = open();
    await waitUntil(watching);
    const began = performance.now();
    await waitUntil(() => performance.now() > began + 510);
    const before = heard();
    api.endWatches();
    await waitUntil(() => heard() > before && calls() >= 3);
    stop();
    expect(timers.mock.calls.filter(([, ms = 0]) => ms < 0)).toEqual([]);
    timers.mockRestore();
  });

  test('whose past is forgotten begins with a new list', async () => {
    api.put(`${collection}/one`, { spec: {} });
    const { names, errors, stop } = open();
    await waitUntil(watching);
    api.endWatches('gone');
    api.put(`${collection}/two`, { spec: {} });
    await waitUntil(() => names()?.join() === 'one,two');
    stop();
    expect(errors).toEqual([]);
  });

  test('that broke begins again and misses nothing', async () => {
    api.put(`${collection}/one`, { spec: {} });
    const { names, stop } = open();
    await waitUntil(watching);
    api.breakWatches();
    api.remove(`${collection}/one`);
    api.put(`${collection}/two`, { spec: {} });
    await waitUntil(() => names()?.join() === 'two');
    stop();
  });

  test('hears a bookmark, which changes nothing', async () => {
    const { states, heard, stop } = open();
    await waitUntil(() => watching() && states.length === 1);
    const before = heard();
    const metadata = { resourceVersion: '900', creationTimestamp: null };
    await waitUntil(() => {
      api.sendToWatches(collection, { type: 'BOOKMARK', object: { metadata } });
      return heard() > before;
    });
    stop();
    expect(states).toHaveLength(1);
  });

  test('that may list but not watch waits longer each time', async () => {
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

  test('that was stopped tells nothing more, and asks nothing more', async () => {
    const { states, stop } = open();
    await waitUntil(watching);
    stop();
    const before = [states.length, calls()];
    api.put(`${collection}/one`, { spec: {} });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([states.length, calls()]).toEqual(before);
  });
});

describe("a role's lease", () => {
  const path = '/apis/coordination.k8s.io/v1/namespaces/valetkey/leases/denial-1';
  const open = (holder: string) => {
    const time = { at: 0 };
    const lease = createRoleLease(createApiClient(kubernetes), {
      namespace: 'valetkey',
      name: 'denial-1',
      holder,
      durationSeconds: 30,
      clock: { now: () => 1_700_000_000_000, monotonic: () => time.at },
    });
    return { lease, time };
  };

  test('is made, held by one at a time, and given back with a note', async () => {
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

  test('of a holder that died is taken once it has not changed for its whole duration', async () => {
    await open('dead').lease.acquire();
    const { lease, time } = open('other');
    expect(await lease.acquire()).toBeUndefined();
    time.at = 30_000;
    expect(await lease.acquire()).toBeUndefined();
    time.at = 30_001;
    expect(await lease.acquire()).toBeDefined();
  });

  test('that was taken by another meanwhile is not given back by its late holder', async () => {
    const late = await open('late').lease.acquire();
    const { lease, time } = open('other');
    await lease.acquire();
    time.at = 30_001;
    await lease.acquire();
    await late?.release('late');
    expect(api.get(path)?.['spec']).toMatchObject({ holderIdentity: 'other' });
  });

  test('is not taken by two who saw it free at the same moment', async () => {
    const taken = await Promise.all(['a', 'b', 'c'].map((name) => open(name).lease.acquire()));
    expect(taken.filter((held) => held !== undefined)).toHaveLength(1);
  });
});

test('an answer that names nobody is an error, not an empty name', async () => {
  const calls = (username?: string) => () =>
    Promise.resolve({ status: { userInfo: { username } } });
  const name = 'system:serviceaccount:valetkey:valetkey-authority';
  expect(await readOwnUsername(calls(name))).toBe(name);
  await expect(readOwnUsername(calls())).rejects.toMatchObject({
    culprit: 'create selfsubjectreview',
  });
});
