const MIN_RENEW_BEFORE_MS = 15_000;
const MAX_RENEW_BEFORE_MS = 300_000;
const MAX_MARGIN_MS = 10_000;

/**
 * Returns how long before its deadline a run is renewed on request: a quarter of its lifetime, at
 * least 15 s and at most 5 min, but never more than half of the lifetime.
 */
export const computeRenewBeforeMs = (lifetimeMs: number): number =>
  Math.min(
    lifetimeMs / 2,
    Math.max(MIN_RENEW_BEFORE_MS, Math.min(lifetimeMs / 4, MAX_RENEW_BEFORE_MS)),
  );

/** `fresh`: serve. `stale`: serve, and renew in the background. `expired`: wait for a new run. */
export type Freshness = 'fresh' | 'stale' | 'expired';

/** Evaluates a run that has `remainingMs` left of `lifetimeMs`. */
export const evaluateFreshness = (remainingMs: number, lifetimeMs: number): Freshness => {
  if (remainingMs <= 0) return 'expired';
  return remainingMs < computeRenewBeforeMs(lifetimeMs) ? 'stale' : 'fresh';
};

/**
 * Computes the Expiration that consumers see, in milliseconds since the epoch by this node's clock.
 * After the deadline the cloud returns AccessDenied, and SDKs do not refresh on it. The Expiration
 * is therefore slightly before the deadline by the cloud's clock. A cloud clock that is behind adds
 * no time.
 */
export const computeAdvertisedExpiration = ({
  deadline,
  skewMs,
  lifetimeMs,
}: {
  deadline: number;
  skewMs: number;
  lifetimeMs: number;
}): number => Math.floor(deadline - Math.max(0, skewMs) - Math.min(MAX_MARGIN_MS, lifetimeMs / 10));
