import { describe, expect, test } from '@jest/globals';
import { openSpending, type SpentLease, type SpentLeases } from './spending.ts';
import type { User } from './workload.ts';

const user: User = {
  issuer: 'https://login.example',
  subject: 'ada',
  digest: 'ab12',
  expiresAt: 1000,
};

const memory = (): SpentLeases & { readonly kept: Map<string, SpentLease> } => {
  const kept = new Map<string, SpentLease>();
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

describe('a user’s token', () => {
  test('is spent once, by whichever replica is first', async () => {
    const leases = memory();
    const [one, two] = [
      openSpending({ leases, now: () => 0 }),
      openSpending({ leases, now: () => 0 }),
    ];
    const spent = await Promise.allSettled([one.spend(user), two.spend(user), one.spend(user)]);
    expect(spent.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(two.spend(user)).rejects.toMatchObject({
      kind: 'refused',
      code: 'user_token_replayed',
    });
    expect([...leases.kept.keys()]).toEqual(['spent-ab12']);
  });

  test('is neither new nor spent while the API server is silent', async () => {
    const leases = { ...memory(), create: () => Promise.reject(new Error('down')) };
    await expect(openSpending({ leases, now: () => 0 }).spend(user)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'kubernetes_unavailable',
    });
  });

  test('stays spent for as long as any clock might accept it, and is then collected', async () => {
    const leases = memory();
    let at = 0;
    const { spend, collect } = openSpending({ leases, now: () => at });
    await spend(user);
    at = user.expiresAt + 60_000;
    await collect();
    expect(leases.kept.size).toBe(1);
    at = user.expiresAt + 10 * 60_000;
    await collect();
    expect(leases.kept.size).toBe(0);
  });
});
