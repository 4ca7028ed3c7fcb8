/** Something that may be used once, by any caller: a user's token, for example. */
export type Handle = {
  /** A DNS label, such as `user-token`. */
  readonly kind: string;
  /** SHA-256, hex, of what is presented. */
  readonly digest: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
};

/** A Lease that records the use of a handle. */
export type UsedHandleLease = {
  readonly name: string;
  readonly kind: string;
  /** After this the handle is refused as expired anyway; milliseconds since the epoch. */
  readonly endsAt: number;
};

/** Leases of used handles, shared by all replicas. Every function rejects if the API server fails. */
export type UsedHandleLeases = {
  /** `exists`: the handle was used before. */
  readonly create: (lease: UsedHandleLease) => Promise<'created' | 'exists'>;
  /** Of every kind. */
  readonly list: () => Promise<readonly UsedHandleLease[]>;
  /** Succeeds also if the Lease does not exist. */
  readonly remove: (name: string) => Promise<void>;
};

export type UseOnceGuard = {
  /**
   * Consumes a verified handle. `used`: it was consumed before, by any replica.
   *
   * @throws what `leases` throws: whether it was used is then unknown
   */
  readonly consume: (handle: Handle) => Promise<'consumed' | 'used'>;
  /**
   * Removes the Leases of expired handles. Call it every minute, on every replica.
   *
   * @throws what `leases` throws; the next call removes the rest
   */
  readonly collect: () => Promise<void>;
};

/** A token is accepted until 30 s after its expiration, by the clock of any replica; with a margin. */
const LEASE_RETENTION_MS = 5 * 60_000;

/** @param deps.now wall-clock milliseconds since the epoch */
export const createUseOnceGuard = ({
  leases,
  now,
}: {
  readonly leases: UsedHandleLeases;
  readonly now: () => number;
}): UseOnceGuard => ({
  consume: async ({ kind, digest, expiresAt }) => {
    const lease = { name: `used-${digest}`, kind, endsAt: expiresAt + LEASE_RETENTION_MS };
    return (await leases.create(lease)) === 'created' ? 'consumed' : 'used';
  },
  collect: async () => {
    const ended = (await leases.list()).filter(({ endsAt }) => endsAt < now());
    for (const { name } of ended) await leases.remove(name);
  },
});
