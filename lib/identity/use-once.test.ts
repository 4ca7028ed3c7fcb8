import { describe, expect, it } from '@jest/globals';
import { createReplayGuard, type UsedTokenLease, type UsedTokenLeases } from './token-replay.ts';
import type { User } from './workload.ts';

const user: User = {
  issuer: 'https://login.example',
  subject: 'ada',
  digest: 'ab12',
  expiresAt: 1000,
};

const createMemoryLeases = (): UsedTokenLeases & { readonly kept: Map<string, UsedTokenLease> } => {
  const kept = new Map<string, UsedTokenLease>();
  return {
    kept,
    create: (lease) => {
      if (kept.has(lease.name)) return Promise.resolve('exists');
      kept.set(lease.name, lease);
      return Promise.resolve('created');
    },
    list: () => Promise.resolve([...kept.values()]),
    remove: (name) => Promise.resolve(void kept.delete(name)),
  };
};

describe('createReplayGuard', () => {
  it('accepts a token once, across all replicas', async () => {
    const leases = createMemoryLeases();
    const [one, two] = [
      createReplayGuard({ leases, now: () => 0 }),
      createReplayGuard({ leases, now: () => 0 }),
    ];
    const results = await Promise.allSettled([
      one.consumeToken(user),
      two.consumeToken(user),
      one.consumeToken(user),
    ]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(two.consumeToken(user)).rejects.toMatchObject({
      kind: 'refused',
      code: 'user_token_replayed',
    });
    expect([...leases.kept.keys()]).toEqual(['used-ab12']);
  });

  it('throws unavailable while the API server does not respond', async () => {
    const leases = { ...createMemoryLeases(), create: () => Promise.reject(new Error('down')) };
    await expect(
      createReplayGuard({ leases, now: () => 0 }).consumeToken(user),
    ).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'kubernetes_unavailable',
    });
  });

  it('keeps the Lease while any clock might accept the token, and then collects it', async () => {
    const leases = createMemoryLeases();
    let at = 0;
    const { consumeToken, collect } = createReplayGuard({ leases, now: () => at });
    await consumeToken(user);
    at = user.expiresAt + 60_000;
    await collect();
    expect(leases.kept.size).toBe(1);
    at = user.expiresAt + 10 * 60_000;
    await collect();
    expect(leases.kept.size).toBe(0);
  });
});
