/**
 * Takes one place of a pool for an owner.
 *
 * @returns gives the place back, once; undefined if the pool or the owner's share of it is used up
 */
export type TakeShare = (place: {
  readonly pool: string;
  readonly owner: string;
}) => (() => void) | undefined;

/** Creates pools of places. No owner can use up a pool alone. Idle pools and owners take no memory. */
export const createShares = ({
  perPool,
  perOwner,
}: {
  readonly perPool: number;
  /** In each pool. */
  readonly perOwner: number;
}): TakeShare => {
  const pools = new Map<string, Map<string, number>>();

  const giveBack = (pool: string, owner: string): void => {
    const owners = pools.get(pool);
    const left = (owners?.get(owner) ?? 1) - 1;
    if (left > 0) owners?.set(owner, left);
    else owners?.delete(owner);
    if (owners?.size === 0) pools.delete(pool);
  };

  return ({ pool, owner }) => {
    const owners = pools.get(pool) ?? new Map<string, number>();
    const own = owners.get(owner) ?? 0;
    const total = owners.values().reduce((sum, count) => sum + count, 0);
    if (own >= perOwner || total >= perPool) return undefined;
    pools.set(pool, owners.set(owner, own + 1));
    return () => giveBack(pool, owner);
  };
};
