/**
 * By how much `etcdutl snapshot restore --bump-revision` puts a store ahead: etcd's documentation names 10⁹. A
 * cluster that writes a thousand times per second does so much in a day.
 */
const MIN_BUMP = 100_000_000n;
/** Stores that count with time instead of writes have larger versions, and gain as much in minutes. */
const MAX_COUNTED = 1_000_000_000_000n;

/**
 * Whether a store at version `next` cannot continue the history that it had at `last`, because it was restored from a
 * snapshot: it is behind, or far ahead. Since Kubernetes 1.35 resource versions may be compared as integers; versions
 * of another form say nothing.
 */
export const isRestored = (last: string, next: string): boolean => {
  if (!DIGITS.test(last) || !DIGITS.test(next)) return false;
  const [from, to] = [BigInt(last), BigInt(next)];
  return to < from || (to - from >= MIN_BUMP && from < MAX_COUNTED);
};

const DIGITS = /^\d{1,30}$/;
