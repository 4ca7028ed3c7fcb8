import { newRefusedError, newUnavailableError } from './identity-refusals.ts';
import type { User } from './workload.ts';

/** A Lease that says that a token is spent. */
export type UsedTokenLease = {
  readonly name: string;
  /** After this the token is refused for its age anyway; milliseconds since the epoch. */
  readonly endsAt: number;
};

/** Leases of spent tokens, shared by all replicas; every function throws where there is no answer. */
export type UsedTokenLeases = {
  /** `exists`: somebody was first. */
  readonly create: (lease: UsedTokenLease) => Promise<'created' | 'exists'>;
  readonly list: () => Promise<readonly UsedTokenLease[]>;
  /** It is no fault when it is gone. */
  readonly remove: (name: string) => Promise<void>;
};

export type ReplayGuard = {
  /**
   * Spends a verified token: whoever comes second with it is refused.
   *
   * @throws IdentityError: refused (`user_token_replayed`), or unavailable (`kubernetes_unavailable`)
   */
  readonly consumeToken: (user: User) => Promise<void>;
  /**
   * Removes what no token needs any more; call it every minute, on every replica.
   *
   * @throws what `leases` throws; what is left is removed the next time
   */
  readonly collect: () => Promise<void>;
};

/** A token is accepted 30 s past its end, by the clock of any replica: that, and room besides. */
const LEASE_RETENTION_MS = 5 * 60_000;

/** @param terms.now wall-clock milliseconds since the epoch */
export const createReplayGuard = ({
  leases,
  now,
}: {
  readonly leases: UsedTokenLeases;
  readonly now: () => number;
}): ReplayGuard => ({
  consumeToken: async ({ digest, expiresAt }) => {
    const lease = { name: `used-${digest}`, endsAt: expiresAt + LEASE_RETENTION_MS };
    const answer = await leases.create(lease).catch((cause: unknown) => {
      const message = 'the API server could not say whether the user token is new';
      throw newUnavailableError('kubernetes_unavailable', message, { cause });
    });
    if (answer === 'exists') {
      throw newRefusedError(
        'user_token_replayed',
        'expected a user token that was not used before',
      );
    }
  },
  collect: async () => {
    const ended = (await leases.list()).filter(({ endsAt }) => endsAt < now());
    for (const { name } of ended) await leases.remove(name);
  },
});
