import { describe, expect, it } from '@jest/globals';
import { consumeToken } from './token-replay.ts';
import { createUseOnceGuard, type UsedHandleLease, type UsedHandleLeases } from './use-once.ts';
import type { User } from './workload.ts';

const handle = { kind: 'delegation', digest: 'ab12', expiresAt: 1000 };
const user: User = {
  issuer: 'https://login.example',
  subject: 'ada',
  digest: 'cd34',
  expiresAt: 1000,
};

const createMemoryLeases = (): UsedHandleLeases & {
  readonly kept: Map<string, UsedHandleLease>;
} => {
  const kept = new Map<string, UsedHandleLease>();
  return {
    kept,
    create: (lease) => {
      if (kept.has(lease.name)) return Promise.resolve('exists');
      kept.set(lease.name, lease);
      return Promise.resolve('created');
    },
    read: (name) => Promise.resolve(kept.get(name)),
    list: () => Promise.resolve([...kept.values()]),
    remove: (name) => Promise.resolve(void kept.delete(name)),
  };
};
const createGuard = (leases: UsedHandleLeases) => createUseOnceGuard({ leases, now: () => 0 });

describe('createUseOnceGuard', () => {
  it('lets a handle of any kind be used once, across all replicas', async () => {
    const leases = createMemoryLeases();
    const [one, two] = [createGuard(leases), createGuard(leases)];
    const outcomes = await Promise.all([
      ...[one.consume(handle), two.consume(handle), one.consume(handle)],
    ]);
    expect(outcomes.toSorted()).toEqual(['consumed', 'used', 'used']);
    expect([...leases.kept.values()]).toEqual([
      { name: 'used-ab12', kind: 'delegation', usedAt: 0, endsAt: 301_000 },
    ]);
  });

  it('lets the same holder use a handle again for 30 s, at any replica, and no one else', async () => {
    const leases = createMemoryLeases();
    let at = 0;
    const replica = () => createUseOnceGuard({ leases, now: () => at });
    const held = { ...handle, holder: 'attempt-1' };
    expect(await replica().consume(held)).toBe('consumed');
    at = 29_999;
    expect(await replica().consume(held)).toBe('consumed');
    expect(await replica().consume({ ...held, holder: 'attempt-2' })).toBe('used');
    expect(await replica().consume(handle)).toBe('used');
    at = 30_000;
    expect(await replica().consume(held)).toBe('used');
  });

  it('keeps the Lease while any clock might accept the handle, and then collects it', async () => {
    const leases = createMemoryLeases();
    let at = 0;
    const { consume, collect } = createUseOnceGuard({ leases, now: () => at });
    await consume(handle);
    await consume({ ...handle, kind: 'approval', digest: 'ef56' });
    at = handle.expiresAt + 60_000;
    await collect();
    expect(leases.kept.size).toBe(2);
    at = handle.expiresAt + 10 * 60_000;
    await collect();
    expect(leases.kept.size).toBe(0);
  });
});

describe('consumeToken', () => {
  it("refuses the second use of a user's token", async () => {
    const leases = createMemoryLeases();
    const guard = createGuard(leases);
    await consumeToken(guard, user);
    await expect(consumeToken(guard, user)).rejects.toMatchObject({
      kind: 'refused',
      code: 'user_token_replayed',
    });
    expect(leases.kept.get('used-cd34')).toMatchObject({ kind: 'user-token' });
  });

  it('throws unavailable while the API server does not respond', async () => {
    const leases = { ...createMemoryLeases(), create: () => Promise.reject(new Error('down')) };
    await expect(consumeToken(createGuard(leases), user)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'kubernetes_unavailable',
    });
  });
});
