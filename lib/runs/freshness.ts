const MIN_RENEW_BEFORE_MS = 15_000;
const MAX_RENEW_BEFORE_MS = 300_000;
const MAX_MARGIN_MS = 10_000;

/**
 * How long before its end a run of `lifetimeMs` is followed by the next one, if somebody asks:
 * a quarter of its life, from 15 s to 5 min, and never more than half of it.
 */
export const computeRenewBeforeMs = (lifetimeMs: number): number =>
  Math.min(
    lifetimeMs / 2,
    Math.max(MIN_RENEW_BEFORE_MS, Math.min(lifetimeMs / 4, MAX_RENEW_BEFORE_MS)),
  );

/** `fresh`: serve; `due`: serve, and start the next run behind; `dead`: only a new run will do. */
export type Freshness = 'fresh' | 'stale' | 'expired';

/** The phase of a run that has `remainingMs` left of `lifetimeMs`. */
export const evaluateFreshness = (remainingMs: number, lifetimeMs: number): Freshness => {
  if (remainingMs <= 0) return 'expired';
  return remainingMs < computeRenewBeforeMs(lifetimeMs) ? 'stale' : 'fresh';
};

/**
 * The Expiration that consumers are told, in wall-clock milliseconds by our clock. After the
 * deadline a cloud answers AccessDenied, on which SDKs do not refresh: so it lies a little before
 * the deadline, as the cloud's clock sees it. A cloud whose clock is behind gives nothing extra.
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
