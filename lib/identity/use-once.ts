/** Something that may be used once, by any caller: a user's token, for example. */
export type Handle = {
  /** A DNS label, such as `user-token`. */
  readonly kind: string;
  /** SHA-256, hex, of what is presented. */
  readonly digest: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /**
   * Who uses it: the same holder may use it again for {@link REPEAT_MS}, because an answer to a sidecar may be
   * lost. Absent: no second use.
   */
  readonly holder?: string;
};

/** A Lease that records the use of a handle. */
export type UsedHandleLease = {
  readonly name: string;
  readonly kind: string;
  readonly holder?: string;
  /** When it was used; milliseconds since the epoch. */
  readonly usedAt: number;
  /** After this the handle is refused as expired anyway; milliseconds since the epoch. */
  readonly endsAt: number;
};

/** Leases of used handles, shared by all replicas. Every function rejects if the API server fails. */
export type UsedHandleLeases = {
  /** `exists`: the handle was used before. */
  readonly create: (lease: UsedHandleLease) => Promise<'created' | 'exists'>;
  /** From the API server's storage; undefined: the handle was not used. */
  readonly read: (name: string) => Promise<UsedHandleLease | undefined>;
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
  /** @throws what `leases` throws: whether it was used is then unknown */
  readonly find: (digest: string) => Promise<UsedHandleLease | undefined>;
  /**
   * Removes the Leases of expired handles. Call it every minute, on every replica.
   *
   * @throws what `leases` throws; the next call removes the rest
   */
  readonly collect: () => Promise<void>;
};

/** How long the holder that used a handle may use it again. */
const REPEAT_MS = 30_000;

/** A token is accepted until 30 s after its expiration, by the clock of any replica; with a margin. */
const LEASE_RETENTION_MS = 5 * 60_000;

/** @param deps.now wall-clock milliseconds since the epoch */
export const createUseOnceGuard = ({
  leases,
  now,
}: {
  readonly leases: UsedHandleLeases;
  readonly now: () => number;
}): UseOnceGuard => {
  const find = (digest: string): Promise<UsedHandleLease | undefined> =>
    leases.read(`used-${digest}`);
  const isRepeat = async ({ digest, holder }: Handle): Promise<boolean> =>
    holder !== undefined && isHeldBy(await find(digest), holder, now());
  return {
    find,
    consume: async (handle) => {
      const { kind, digest, expiresAt, holder } = handle;
      const created = await leases.create({
        name: `used-${digest}`,
        kind,
        usedAt: now(),
        ...(holder !== undefined && { holder }),
        endsAt: expiresAt + LEASE_RETENTION_MS,
      });
      return created === 'created' || (await isRepeat(handle)) ? 'consumed' : 'used';
    },
    collect: async () => {
      const ended = (await leases.list()).filter(({ endsAt }) => endsAt < now());
      for (const { name } of ended) await leases.remove(name);
    },
  };
};

/** Whether this holder used the handle, and so recently that it may use it again. */
export const isHeldBy = (
  lease: Pick<UsedHandleLease, 'holder' | 'usedAt'> | undefined,
  holder: string,
  now: number,
): boolean => lease?.holder === holder && now - lease.usedAt < REPEAT_MS;
