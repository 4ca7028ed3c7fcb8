/** Exponential backoff: doubles with each failure, from `firstMs` up to `maxMs`. */
export type BackoffOptions = { readonly firstMs: number; readonly maxMs: number };

/** Doublings beyond this reach any sensible maximum, and would overflow. */
const MAX_DOUBLINGS = 20;

const computeExponentialMs = (failures: number, { firstMs, maxMs }: BackoffOptions): number =>
  Math.min(firstMs * 2 ** Math.min(failures - 1, MAX_DOUBLINGS), maxMs);

/**
 * Backoff of a control loop, with a jitter of a fifth, so that replicas do not act in step.
 *
 * @param failures how many attempts failed in a row, at least 1
 */
export const computeBackoffMs = (
  failures: number,
  { random, ...backoff }: BackoffOptions & { readonly random: () => number },
): number => addJitter(computeExponentialMs(failures, backoff), random);

/**
 * Backoff of a client, with full jitter (from 0 to the exponential value), so that many clients of one
 * server spread their requests.
 *
 * @param failures how many attempts failed in a row, at least 1
 */
export const computeFullJitterMs = (
  failures: number,
  { random, ...backoff }: BackoffOptions & { readonly random: () => number },
): number => random() * computeExponentialMs(failures, backoff);

/** From 0.8 to 1.2 times `ms`. */
export const addJitter = (ms: number, random: () => number): number => ms * (0.8 + 0.4 * random());
