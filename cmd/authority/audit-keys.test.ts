import { describe, expect, it } from '@jest/globals';

import type { StoredSecret } from '../../lib/certificate/certificate-reconciler.ts';
import type { SecretStore } from '../../lib/edge/kubernetes/secrets.ts';
import { readAuditKeys } from './audit-keys.ts';

/** A Secret with optimistic locking, like that of the API server; empty, as the chart creates it. */
const createStore = (data: StoredSecret['data'] = {}) => {
  let version = 1;
  let current = data;
  const store: SecretStore = {
    read: () => Promise.resolve({ resourceVersion: `${version}`, data: current, annotations: {} }),
    replace: (given, more) => {
      if (given !== `${version}`) return Promise.resolve('conflict');
      version += 1;
      current = { ...current, ...more };
      return Promise.resolve('written');
    },
  };
  return { store, data: () => current };
};

describe('readAuditKeys', () => {
  it('creates the keys once for replicas that start at the same time', async () => {
    const { store } = createStore();
    const replicas = await Promise.all(Array.from({ length: 5 }, () => readAuditKeys(store)));
    expect(new Set(replicas.map(({ sealing }) => sealing.fingerprint)).size).toBe(1);
    expect(new Set(replicas.map(({ runs }) => Buffer.from(runs).toString('hex'))).size).toBe(1);
    expect(replicas[0]?.runs).toHaveLength(32);
  });

  it('adds the keys to an empty Secret', async () => {
    const { store, data } = createStore();
    await readAuditKeys(store);
    expect(Object.keys(data()).sort()).toEqual(['checkpoint.key', 'runs.key']);
  });

  it.each([
    ['checkpoint.key', 'no key at all'],
    ['runs.key', 'c2hvcnQ='],
  ])(
    'are never replaced: an unreadable %s is an error that does not show it',
    async (key, value) => {
      const { store, data } = createStore();
      await readAuditKeys(store);
      const broken = createStore({ ...data(), [key]: value });
      await expect(readAuditKeys(broken.store)).rejects.toThrow(key);
      await expect(readAuditKeys(broken.store)).rejects.not.toThrow(value);
      expect(broken.data()[key]).toBe(value);
    },
  );
});
