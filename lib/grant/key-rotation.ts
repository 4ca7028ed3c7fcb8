import type { KeyAlgorithm } from '../certificate/key-certificate.ts';
import { GRANT_LIFETIME_SECONDS } from './grant-times.ts';
import { createGrantKey, type GrantKey, type KeyRing, type PublicKey } from './key-ring.ts';

/** All in milliseconds. */
export type KeyRules = {
  readonly algorithm: KeyAlgorithm;
  /** A key signs for so long. */
  readonly keyLifetimeMs: number;
  /**
   * A replica that has not read the Secret for so long signs nothing and publishes nothing. A
   * promotion is announced in the Secret as long before: whoever may still sign knows of it.
   */
  readonly staleAfterMs: number;
};

/** A key signs for 30 days. */
export const KEY_RULES: Omit<KeyRules, 'algorithm'> = {
  keyLifetimeMs: 30 * 86_400_000,
  staleAfterMs: 60_000,
};

/** What stands at the `jwks_uri` where the cloud looks. */
export type PublishedKeys = {
  readonly kids: readonly string[];
  /** For how long others may hold a copy of it. */
  readonly maxAgeMs: number;
};

/** What is known when a step is decided. */
export type ObservedKeyState = {
  /** What the Secret holds; absent: nothing, or nothing usable. */
  readonly ring: KeyRing | undefined;
  /** The taint annotation's value; empty: none. */
  readonly taint: string;
  /** Absent: it could not be read. */
  readonly published: PublishedKeys | undefined;
  readonly now: number;
};

/**
 * - `create`: there is no key that could sign.
 * - `taint`: `next` signs at once, the tainted key and the retired ones are published no more; a
 *   value that begins with `all` taints `next` too.
 * - `promote`: what signs since `promoteAt` becomes `current`, and a new key `next`.
 * - `renew`: `next` is of another algorithm than is wanted: a new one.
 * - `published`, `unpublished`: note since when `next` has been seen at the public `jwks_uri`.
 * - `schedule`: decide when `next` begins to sign.
 * - `retire`: publish no more what signed only grants that are dead.
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
const LENIENCY_MS = 5 * 60_000 + 30_000;
const MAX_TAINTED = 16;

/**
 * Decides the next step. No key is promoted before it has been seen where the cloud looks for twice
 * the time that copies are held, except where a taint leaves nothing else.
 */
export const nextStep = (sight: ObservedKeyState, rules: KeyRules): KeyStep => {
  const { ring, taint, now } = sight;
  if (ring === undefined) return 'create';
  if (taint !== '' && taint !== ring.taintDone) return 'taint';
  if (ring.promoteAt !== undefined) return ring.promoteAt <= now ? 'promote' : 'keep';
  if (ring.next.algorithm !== rules.algorithm) return 'renew';
  if (isSeen(ring.next, sight) === (ring.publishedAt === undefined)) {
    return ring.publishedAt === undefined ? 'published' : 'unpublished';
  }
  if (isDue(ring, rules, now) && isSettled(sight)) return 'schedule';
  return ring.retired.some(({ until }) => until <= now) ? 'retire' : 'keep';
};

/** What the Secret should hold after `step`. */
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

/** What signs at `now`. */
export const selectSigningKey = ({ current, next, promoteAt }: KeyRing, now: number): GrantKey =>
  promoteAt !== undefined && promoteAt <= now ? next : current;

/** What is published at `now`: the signing key first, because Ceph RGW looks at the first alone. */
export const listPublishedKeys = (ring: KeyRing, now: number): readonly PublicKey[] => {
  const { current, next } = ring;
  const live = selectSigningKey(ring, now) === next ? [next, current] : [current, next];
  return [...live, ...ring.retired.filter(({ until }) => until > now)];
};

/**
 * What somebody should look into:
 * - `rotation_blocked`: `current` has signed for its time, and `next` is not yet seen for long enough.
 * - `published_keys_stale`: the public `jwks_uri` lacks the key that signs, or still has a tainted one.
 * - `published_keys_unreadable`: nobody knows what stands there.
 */
export type KeyProblem = 'rotation_blocked' | 'published_keys_stale' | 'published_keys_unreadable';

/** What there is to look into now; `ring` as it is after every step that was due. */
export const findKeyProblems = (
  sight: ObservedKeyState & { readonly ring: KeyRing },
  rules: KeyRules,
): readonly KeyProblem[] => {
  const { ring, published, now } = sight;
  const isWaiting = ring.promoteAt === undefined && isDue(ring, rules, now) && !isSettled(sight);
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

/** An unreadable copy changes nothing of what was seen last. */
const isSeen = ({ kid }: PublicKey, { published, ring }: ObservedKeyState): boolean =>
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
  const until = promoteAt + GRANT_LIFETIME_SECONDS * 1000 + LENIENCY_MS;
  return {
    current: next,
    next: fresh,
    retired: [...retired, { kid, algorithm, certificate, until }],
    promotedAt: promoteAt,
    taintDone,
    tainted,
  };
};

/** While a promotion is announced nobody knows which of the two was meant: both go. */
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
