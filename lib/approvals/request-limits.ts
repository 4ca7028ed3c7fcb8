import type { ApprovalState } from '../contract/approvals.ts';

/** What the limits need of one request of the namespace. */
export type CountedRequest = {
  readonly podUid: string;
  /** All in milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly state?: ApprovalState;
  /** Since when it is in this state. */
  readonly since?: number;
};

const MAX_OPEN_PER_POD = 10;
const MAX_OPEN_PER_NAMESPACE = 50;
const MAX_NEW_PER_HOUR = 20;
/** Denials within an hour after which a pod may ask nothing for {@link COOLDOWN_MS}. */
const MAX_DENIALS_PER_HOUR = 3;
export const COOLDOWN_MS = 15 * 60_000;
const HOUR_MS = 60 * 60_000;

export type RequestLimitFault = {
  readonly code: 'too_many_approvals' | 'approval_cooldown';
  readonly message: string;
  readonly retryAfterMs: number;
};

const isOpen = ({ state = 'pending', expiresAt }: CountedRequest, now: number): boolean =>
  (state === 'pending' || state === 'approved') && expiresAt > now;

/**
 * Checks whether a pod may ask people once more: people who are asked too often approve without reading.
 *
 * @param requests all of the namespace, as the API server lists them
 * @param now wall-clock milliseconds since the epoch
 */
export const checkRequestLimits = (
  requests: readonly CountedRequest[],
  { podUid, now }: { readonly podUid: string; readonly now: number },
): RequestLimitFault | undefined => {
  const own = requests.filter((request) => request.podUid === podUid);
  return (
    checkCooldown(own, now) ??
    checkOpen(own, { now, max: MAX_OPEN_PER_POD, of: 'this pod' }) ??
    checkOpen(requests, { now, max: MAX_OPEN_PER_NAMESPACE, of: 'this namespace' }) ??
    checkNew(own, now)
  );
};

const checkCooldown = (
  own: readonly CountedRequest[],
  now: number,
): RequestLimitFault | undefined => {
  const denials = own
    .filter(({ state }) => state === 'denied')
    .map(({ since, createdAt }) => since ?? createdAt)
    .filter((at) => at > now - HOUR_MS)
    .sort((one, other) => one - other);
  const retryAfterMs = (denials.at(-1) ?? -Infinity) + COOLDOWN_MS - now;
  if (denials.length < MAX_DENIALS_PER_HOUR || retryAfterMs <= 0) return undefined;
  const message = `${denials.length} requests of this pod were denied within an hour`;
  return { code: 'approval_cooldown', message, retryAfterMs };
};

const checkOpen = (
  requests: readonly CountedRequest[],
  { now, max, of }: { readonly now: number; readonly max: number; readonly of: string },
): RequestLimitFault | undefined => {
  const ends = requests.filter((each) => isOpen(each, now)).map(({ expiresAt }) => expiresAt);
  if (ends.length < max) return undefined;
  const message = `expected fewer than ${max} open requests of ${of}, got ${ends.length}`;
  return { code: 'too_many_approvals', message, retryAfterMs: Math.min(...ends) - now };
};

const checkNew = (own: readonly CountedRequest[], now: number): RequestLimitFault | undefined => {
  const starts = own.map(({ createdAt }) => createdAt).filter((at) => at > now - HOUR_MS);
  if (starts.length < MAX_NEW_PER_HOUR) return undefined;
  const message = `expected fewer than ${MAX_NEW_PER_HOUR} new requests of this pod within an hour, got ${starts.length}`;
  const retryAfterMs = Math.min(...starts) + HOUR_MS - now;
  return { code: 'too_many_approvals', message, retryAfterMs };
};
