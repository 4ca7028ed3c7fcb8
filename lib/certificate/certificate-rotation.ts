import { createCertificateAuthority, readValidity, type Leaf } from './certificate-authority.ts';
import type { CertificateAuthoritySet } from './certificate-authority-set.ts';
import { bundleContains, splitBundle } from './trust-bundle.ts';

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
export type ObservedState = {
  /** What the Secret holds; absent: nothing, or nothing usable. */
  readonly authorities: CertificateAuthoritySet | undefined;
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
export type RotationStep = 'create' | 'rotate' | 'published' | 'retire' | 'keep';

/**
 * Decides the next step. No leaf is ever signed by an authority before every live bundle has held it
 * for `settleMs`, except where nothing else is left: the first installation, or when every
 * authority that could sign has expired.
 */
export const nextStep = (sight: ObservedState, rules: RotationRules): RotationStep => {
  const { authorities, now } = sight;
  if (authorities === undefined || isExpired(authorities.next.certificate, now)) return 'create';
  if (isExpired(authorities.current.certificate, now)) return 'rotate';
  if (authorities.publishedAt === undefined) {
    return isTrustedByAll(authorities.next.certificate, sight) ? 'published' : 'keep';
  }
  if (isDue(authorities, sight, rules) && isSettled(authorities, sight, rules)) return 'rotate';
  return authorities.retired.some(({ until }) => until <= now) ? 'retire' : 'keep';
};

/** Whether every webhook of both configurations trusts `certificate` now, and there are any. */
export const isTrustedByAll = (
  certificate: string,
  { bundles }: Pick<ObservedState, 'bundles'>,
): boolean => bundles.length > 0 && bundles.every((bundle) => bundleContains(bundle, certificate));

/** What the Secret should hold after `step`. */
export const applyStep = async (
  step: Exclude<RotationStep, 'keep'>,
  sight: ObservedState,
  rules: RotationRules,
): Promise<CertificateAuthoritySet> => {
  const { authorities, now } = sight;
  if (step === 'create' || authorities === undefined) return createAuthoritySet(sight, rules);
  if (step === 'rotate') return rotateAuthorities(authorities, sight, rules);
  if (step === 'published') return { ...authorities, publishedAt: now };
  return { ...authorities, retired: authorities.retired.filter(({ until }) => until > now) };
};

/** Whether a replica has to sign itself a new leaf. */
export const isLeafRenewalDue = (
  leaf: Leaf | undefined,
  authorities: CertificateAuthoritySet,
  now: number,
): boolean =>
  leaf?.issuer !== authorities.current.certificate ||
  now >= leaf.notBefore + ((leaf.notAfter - leaf.notBefore) * 2) / 3;

const isDue = (
  authorities: CertificateAuthoritySet,
  { requested, now }: ObservedState,
  rules: RotationRules,
): boolean => {
  const { notBefore, notAfter } = readValidity(authorities.current.certificate);
  return (
    (requested !== '' && requested !== authorities.rotationDone) ||
    now >= authorities.promotedAt + rules.authorityLifetimeMs / 3 ||
    now >= notBefore + ((notAfter - notBefore) * 2) / 3
  );
};

const isSettled = (
  authorities: CertificateAuthoritySet,
  sight: ObservedState,
  { settleMs }: RotationRules,
): boolean =>
  sight.now >= (authorities.publishedAt ?? Infinity) + settleMs &&
  isTrustedByAll(authorities.next.certificate, sight);

const isExpired = (certificate: string, now: number): boolean =>
  readValidity(certificate).notAfter <= now;

/**
 * Two new authorities. What the bundles trusted until now stays trusted while other replicas may
 * serve leaves of it: a deleted Secret, or a change from cert-manager to our own, loses no call.
 */
const createAuthoritySet = async (
  { bundles, requested, now }: ObservedState,
  rules: RotationRules,
): Promise<CertificateAuthoritySet> => {
  const [current, next] = await Promise.all([
    createNextAuthority(now, rules),
    createNextAuthority(now, rules),
  ]);
  const trusted = [...new Set(bundles.flatMap(splitBundle))];
  const retired = trusted.map((certificate) => ({
    certificate,
    until: computeLastLeafExpiry(now, rules),
  }));
  return { current, next, retired, promotedAt: now, rotationDone: requested };
};

const rotateAuthorities = async (
  { current, next, retired }: CertificateAuthoritySet,
  { requested, now }: ObservedState,
  rules: RotationRules,
): Promise<CertificateAuthoritySet> => ({
  current: next,
  next: await createNextAuthority(now, rules),
  retired: [
    ...retired,
    { certificate: current.certificate, until: computeLastLeafExpiry(now, rules) },
  ],
  promotedAt: now,
  rotationDone: requested,
});

/** A replica that read the Secret just before this moment may sign once more. */
const computeLastLeafExpiry = (now: number, { leafLifetimeMs, settleMs }: RotationRules): number =>
  now + leafLifetimeMs + 2 * settleMs;

const createNextAuthority = (now: number, { authorityLifetimeMs }: RotationRules) =>
  createCertificateAuthority({ now, lifetimeMs: authorityLifetimeMs });
