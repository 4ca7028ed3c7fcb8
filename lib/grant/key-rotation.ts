import type { KeyAlgorithm } from '../certificate/key-certificate.ts';
import { GRANT_LIFETIME_SECONDS } from './grant-times.ts';
import { createGrantKey, type GrantKey, type KeyRing, type PublicKey } from './key-ring.ts';

/** All in milliseconds. */
export type KeyRules = {
  readonly algorithm: KeyAlgorithm;
  /** How long a key signs. */
  readonly keyLifetimeMs: number;
  /**
   * A replica that has not read the Secret for this time neither signs nor publishes keys. A promotion
   * is written to the Secret this long in advance, so every replica that may still sign knows it.
   */
  readonly staleAfterMs: number;
};

/** A key signs for 30 days. */
export const KEY_RULES: Omit<KeyRules, 'algorithm'> = {
  keyLifetimeMs: 30 * 86_400_000,
  staleAfterMs: 60_000,
};

/** The keys at the public `jwks_uri`. */
export type PublishedKeys = {
  readonly kids: readonly string[];
  /** How long caches may keep a copy. */
  readonly maxAgeMs: number;
};

/** The state from which the next step is decided. */
export type ObservedKeyState = {
  /** The keys in the Secret; undefined: none, or not usable. */
  readonly ring: KeyRing | undefined;
  /** Value of the taint annotation; empty: none. */
  readonly taint: string;
  /** Undefined: they could not be read. */
  readonly published: PublishedKeys | undefined;
  readonly now: number;
};

/**
 * - `create`: no key can sign; create a key ring.
 * - `taint`: `next` signs immediately; the tainted key and the retired keys are removed. A value that
 *   starts with `all` also taints `next`.
 * - `promote`: the key that signs since `promoteAt` becomes `current`, and a new key becomes `next`.
 * - `renew`: replace `next`, which has another algorithm than configured.
 * - `published`, `unpublished`: record since when `next` is at the public `jwks_uri`.
 * - `schedule`: decide when `next` starts to sign.
 * - `retire`: remove retired keys whose grants have all expired.
 */
export type KeyStep =
  | 'create'
  | 'taint'
  | 'promote'
  | 'renew'
  | 'published'
  | 'unpublished'
  | 'schedule'
  | 'retire'
  | 'keep';

/** IAM accepts a JWT until five minutes after its `exp`; clocks differ by 30 s at most. */
const CLOUD_TOLERANCE_MS = 5 * 60_000 + 30_000;
const MAX_TAINTED = 16;

/**
 * Decides the next step. A key is promoted only after it has been published for twice the cache lifetime,
 * except when a taint leaves no other key.
 */
export const nextStep = (state: ObservedKeyState, rules: KeyRules): KeyStep => {
  const { ring, taint, now } = state;
  if (ring === undefined) return 'create';
  if (taint !== '' && taint !== ring.taintDone) return 'taint';
  if (ring.promoteAt !== undefined) return ring.promoteAt <= now ? 'promote' : 'keep';
  if (ring.next.algorithm !== rules.algorithm) return 'renew';
  if (isPublished(ring.next, state) === (ring.publishedAt === undefined)) {
    return ring.publishedAt === undefined ? 'published' : 'unpublished';
  }
  if (isDue(ring, rules, now) && isSettled(state)) return 'schedule';
  return ring.retired.some(({ until }) => until <= now) ? 'retire' : 'keep';
};

/** Returns the keys to store in the Secret after `step`. */
export const applyStep = async (
  step: Exclude<KeyStep, 'keep'>,
  { ring, taint, now }: ObservedKeyState,
  rules: KeyRules,
): Promise<KeyRing> => {
  const fresh = (): Promise<GrantKey> => createGrantKey(rules.algorithm, now);
  if (ring === undefined || step === 'create') return createKeyRing(fresh, { taint, now });
  switch (step) {
    case 'taint':
      return replaceTainted(ring, { fresh, taint, now });
    case 'promote':
      return promoteNextKey(ring, await fresh());
    case 'renew':
      return { ...omitPublishedAt(ring), next: await fresh() };
    case 'published':
      return { ...ring, publishedAt: now };
    case 'unpublished':
      return omitPublishedAt(ring);
    case 'schedule':
      return { ...ring, promoteAt: now + rules.staleAfterMs };
    case 'retire':
      return { ...ring, retired: ring.retired.filter(({ until }) => until > now) };
  }
};

/** The key that signs at `now`. */
export const selectSigningKey = ({ current, next, promoteAt }: KeyRing, now: number): GrantKey =>
  promoteAt !== undefined && promoteAt <= now ? next : current;

/** The keys to publish at `now`; the signing key is first, because Ceph RGW reads only the first. */
export const listPublishedKeys = (ring: KeyRing, now: number): readonly PublicKey[] => {
  const { current, next } = ring;
  const live = selectSigningKey(ring, now) === next ? [next, current] : [current, next];
  return [...live, ...ring.retired.filter(({ until }) => until > now)];
};

/**
 * Problems that need an operator:
 * - `rotation_blocked`: `current` has reached its lifetime, but `next` has not been published long enough.
 * - `published_keys_stale`: the public `jwks_uri` lacks the signing key or still has a tainted key.
 * - `published_keys_unreadable`: the public `jwks_uri` cannot be read.
 */
export type KeyProblem = 'rotation_blocked' | 'published_keys_stale' | 'published_keys_unreadable';

/** Finds the current problems; `ring` is the state after every due step. */
export const findKeyProblems = (
  state: ObservedKeyState & { readonly ring: KeyRing },
  rules: KeyRules,
): readonly KeyProblem[] => {
  const { ring, published, now } = state;
  const isWaiting = ring.promoteAt === undefined && isDue(ring, rules, now) && !isSettled(state);
  const isStale =
    published !== undefined &&
    (!published.kids.includes(selectSigningKey(ring, now).kid) ||
      ring.tainted.some((kid) => published.kids.includes(kid)));
  return [
    ...(isWaiting ? (['rotation_blocked'] as const) : []),
    ...(isStale ? (['published_keys_stale'] as const) : []),
    ...(published === undefined ? (['published_keys_unreadable'] as const) : []),
  ];
};

/** While the published keys are unreadable, the last known state applies. */
const isPublished = ({ kid }: PublicKey, { published, ring }: ObservedKeyState): boolean =>
  published === undefined ? ring?.publishedAt !== undefined : published.kids.includes(kid);

const isDue = ({ current, promotedAt }: KeyRing, rules: KeyRules, now: number): boolean =>
  current.algorithm !== rules.algorithm || now >= promotedAt + rules.keyLifetimeMs;

const isSettled = ({ ring, published, now }: ObservedKeyState): boolean =>
  ring?.publishedAt !== undefined &&
  published?.kids.includes(ring.next.kid) === true &&
  now >= ring.publishedAt + 2 * published.maxAgeMs;

const createKeyRing = async (
  fresh: () => Promise<GrantKey>,
  { taint, now }: { taint: string; now: number },
): Promise<KeyRing> => {
  const [current, next] = await Promise.all([fresh(), fresh()]);
  return { current, next, retired: [], promotedAt: now, taintDone: taint, tainted: [] };
};

const promoteNextKey = (
  { current, next, promoteAt = 0, taintDone, tainted, retired }: KeyRing,
  fresh: GrantKey,
): KeyRing => {
  const { kid, algorithm, certificate } = current;
  const until = promoteAt + GRANT_LIFETIME_SECONDS * 1000 + CLOUD_TOLERANCE_MS;
  return {
    current: next,
    next: fresh,
    retired: [...retired, { kid, algorithm, certificate, until }],
    promotedAt: promoteAt,
    taintDone,
    tainted,
  };
};

/** During a promotion it is unknown which of the two keys the taint means, so both are replaced. */
const replaceTainted = async (
  { current, next, retired, promoteAt, tainted }: KeyRing,
  { fresh, taint, now }: { fresh: () => Promise<GrantKey>; taint: string; now: number },
): Promise<KeyRing> => {
  const isBoth = taint.startsWith('all') || (promoteAt !== undefined && promoteAt <= now);
  const gone = [...retired, current, ...(isBoth ? [next] : [])].map(({ kid }) => kid);
  return {
    current: isBoth ? await fresh() : next,
    next: await fresh(),
    retired: [],
    promotedAt: now,
    taintDone: taint,
    tainted: [...tainted, ...gone].slice(-MAX_TAINTED),
  };
};

const omitPublishedAt = (ring: KeyRing): KeyRing => {
  const { publishedAt, ...rest } = ring;
  return publishedAt === undefined ? ring : rest;
};
