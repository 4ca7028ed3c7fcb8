const SHORTEST_NOTICE_MS = 15_000;
const LONGEST_NOTICE_MS = 300_000;
const LONGEST_MARGIN_MS = 10_000;

/**
 * How long before its end a run of `lifetimeMs` is followed by the next one, if somebody asks:
 * a quarter of its life, from 15 s to 5 min, and never more than half of it.
 */
export const renewBeforeMs = (lifetimeMs: number): number =>
  Math.min(
    lifetimeMs / 2,
    Math.max(SHORTEST_NOTICE_MS, Math.min(lifetimeMs / 4, LONGEST_NOTICE_MS)),
  );

/** `fresh`: serve; `due`: serve, and start the next run behind; `dead`: only a new run will do. */
export type Phase = 'fresh' | 'due' | 'dead';

/** The phase of a run that has `remainingMs` left of `lifetimeMs`. */
export const phaseOf = (remainingMs: number, lifetimeMs: number): Phase => {
  if (remainingMs <= 0) return 'dead';
  return remainingMs < renewBeforeMs(lifetimeMs) ? 'due' : 'fresh';
};

/**
 * The Expiration that consumers are told, in wall-clock milliseconds by our clock. After the
 * deadline a cloud answers AccessDenied, on which SDKs do not refresh: so it lies a little before
 * the deadline, as the cloud's clock sees it. A cloud whose clock is behind gives nothing extra.
 */
export const advertisedExpiration = ({
  deadline,
  skewMs,
  lifetimeMs,
}: {
  deadline: number;
  skewMs: number;
  lifetimeMs: number;
}): number =>
  Math.floor(deadline - Math.max(0, skewMs) - Math.min(LONGEST_MARGIN_MS, lifetimeMs / 10));
