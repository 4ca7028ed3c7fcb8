import { createAuthority, validityOf, type Leaf } from './authority.ts';
import type { Authorities } from './authorities.ts';
import { bundleHas, splitBundle } from './bundle.ts';

/** All in milliseconds. */
export type RotationRules = {
  /** Life of an authority. It waits as `next`, then signs, a third of it each. */
  readonly authorityLifetimeMs: number;
  /** Life of a leaf, renewed at two thirds. */
  readonly leafLifetimeMs: number;
  /** How long after its publication every API server surely trusts an authority. */
  readonly settleMs: number;
};

/** Sane times: an authority lives a year and signs for four months of it; a leaf lives 7 days. */
export const ROTATION_RULES: RotationRules = {
  authorityLifetimeMs: 365 * 86_400_000,
  leafLifetimeMs: 7 * 86_400_000,
  settleMs: 30_000,
};

/** What is known when a step is decided. */
export type Sight = {
  /** What the Secret holds; absent: nothing, or nothing usable. */
  readonly authorities: Authorities | undefined;
  /** The rotation annotation's value; empty: none. */
  readonly requested: string;
  /** The live `caBundle` of each webhook of both configurations. */
  readonly bundles: readonly string[];
  readonly now: number;
};

/**
 * - `create`: there is no authority that could sign.
 * - `rotate`: `next` becomes `current`, a new one becomes `next`, and the old stays trusted.
 * - `published`: note when `next` was first seen live.
 * - `retire`: stop trusting what signed only leaves that are dead.
 */
export type Step = 'create' | 'rotate' | 'published' | 'retire' | 'keep';

/**
 * Decides the next step. No leaf is ever signed by an authority before every live bundle has held it
 * for `settleMs`, except where nothing else is left: the first installation, or when every
 * authority that could sign has expired.
 */
export const decideStep = (sight: Sight, rules: RotationRules): Step => {
  const { authorities, now } = sight;
  if (authorities === undefined || isDead(authorities.next.certificate, now)) return 'create';
  if (isDead(authorities.current.certificate, now)) return 'rotate';
  if (authorities.publishedAt === undefined) {
    return isLive(authorities.next.certificate, sight) ? 'published' : 'keep';
  }
  if (isDue(authorities, sight, rules) && isSettled(authorities, sight, rules)) return 'rotate';
  return authorities.retired.some(({ until }) => until <= now) ? 'retire' : 'keep';
};

/** Whether every webhook of both configurations trusts `certificate` now, and there are any. */
export const isLive = (certificate: string, { bundles }: Pick<Sight, 'bundles'>): boolean =>
  bundles.length > 0 && bundles.every((bundle) => bundleHas(bundle, certificate));

/** What the Secret should hold after `step`. */
export const takeStep = async (
  step: Exclude<Step, 'keep'>,
  sight: Sight,
  rules: RotationRules,
): Promise<Authorities> => {
  const { authorities, now } = sight;
  if (step === 'create' || authorities === undefined) return create(sight, rules);
  if (step === 'rotate') return rotate(authorities, sight, rules);
  if (step === 'published') return { ...authorities, publishedAt: now };
  return { ...authorities, retired: authorities.retired.filter(({ until }) => until > now) };
};

/** Whether a replica has to sign itself a new leaf. */
export const isLeafDue = (leaf: Leaf | undefined, authorities: Authorities, now: number): boolean =>
  leaf?.issuer !== authorities.current.certificate ||
  now >= leaf.notBefore + ((leaf.notAfter - leaf.notBefore) * 2) / 3;

const isDue = (
  authorities: Authorities,
  { requested, now }: Sight,
  rules: RotationRules,
): boolean => {
  const { notBefore, notAfter } = validityOf(authorities.current.certificate);
  return (
    (requested !== '' && requested !== authorities.rotationDone) ||
    now >= authorities.promotedAt + rules.authorityLifetimeMs / 3 ||
    now >= notBefore + ((notAfter - notBefore) * 2) / 3
  );
};

const isSettled = (authorities: Authorities, sight: Sight, { settleMs }: RotationRules): boolean =>
  sight.now >= (authorities.publishedAt ?? Infinity) + settleMs &&
  isLive(authorities.next.certificate, sight);

const isDead = (certificate: string, now: number): boolean =>
  validityOf(certificate).notAfter <= now;

/**
 * Two new authorities. What the bundles trusted until now stays trusted while other replicas may
 * serve leaves of it: a deleted Secret, or a change from cert-manager to our own, loses no call.
 */
const create = async (
  { bundles, requested, now }: Sight,
  rules: RotationRules,
): Promise<Authorities> => {
  const [current, next] = await Promise.all([fresh(now, rules), fresh(now, rules)]);
  const trusted = [...new Set(bundles.flatMap(splitBundle))];
  const retired = trusted.map((certificate) => ({ certificate, until: lastLeaf(now, rules) }));
  return { current, next, retired, promotedAt: now, rotationDone: requested };
};

const rotate = async (
  { current, next, retired }: Authorities,
  { requested, now }: Sight,
  rules: RotationRules,
): Promise<Authorities> => ({
  current: next,
  next: await fresh(now, rules),
  retired: [...retired, { certificate: current.certificate, until: lastLeaf(now, rules) }],
  promotedAt: now,
  rotationDone: requested,
});

/** A replica that read the Secret just before this moment may sign once more. */
const lastLeaf = (now: number, { leafLifetimeMs, settleMs }: RotationRules): number =>
  now + leafLifetimeMs + 2 * settleMs;

const fresh = (now: number, { authorityLifetimeMs }: RotationRules) =>
  createAuthority({ now, lifetimeMs: authorityLifetimeMs });
