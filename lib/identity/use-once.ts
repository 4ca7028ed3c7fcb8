import { newRefusedError, newUnavailableError } from './identity-refusals.ts';
import type { User } from './workload.ts';

/** A Lease that records the use of a token. */
export type UsedTokenLease = {
  readonly name: string;
  /** After this the token is refused as expired anyway; milliseconds since the epoch. */
  readonly endsAt: number;
};

/** Leases of used tokens, shared by all replicas. Every function rejects if the API server fails. */
export type UsedTokenLeases = {
  /** `exists`: the token was used before. */
  readonly create: (lease: UsedTokenLease) => Promise<'created' | 'exists'>;
  readonly list: () => Promise<readonly UsedTokenLease[]>;
  /** Succeeds also if the Lease does not exist. */
  readonly remove: (name: string) => Promise<void>;
};

export type ReplayGuard = {
  /**
   * Consumes a verified token: a second use is refused.
   *
   * @throws IdentityError: refused (`user_token_replayed`), or unavailable (`kubernetes_unavailable`)
   */
  readonly consumeToken: (user: User) => Promise<void>;
  /**
   * Removes the Leases of expired tokens. Call it every minute, on every replica.
   *
   * @throws what `leases` throws; the next call removes the rest
   */
  readonly collect: () => Promise<void>;
};

/** A token is accepted until 30 s after its expiration, by the clock of any replica; with a margin. */
const LEASE_RETENTION_MS = 5 * 60_000;

/** @param deps.now wall-clock milliseconds since the epoch */
export const createReplayGuard = ({
  leases,
  now,
}: {
  readonly leases: UsedTokenLeases;
  readonly now: () => number;
}): ReplayGuard => ({
  consumeToken: async ({ digest, expiresAt }) => {
    const lease = { name: `used-${digest}`, endsAt: expiresAt + LEASE_RETENTION_MS };
    const outcome = await leases.create(lease).catch((cause: unknown) => {
      const message = 'the API server could not confirm that the user token is unused';
      throw newUnavailableError('kubernetes_unavailable', message, { cause });
    });
    if (outcome === 'exists') {
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
