import { createCertificateAuthority, readValidity, type Leaf } from './certificate-authority.ts';
import type { CertificateAuthoritySet } from './certificate-authority-set.ts';
import { bundleContains, splitBundle } from './trust-bundle.ts';

/** All in milliseconds. */
export type RotationRules = {
  /** Lifetime of an authority: it is `next` for a third of it, then signs for a third. */
  readonly authorityLifetimeMs: number;
  /** Lifetime of a leaf; it is renewed at two thirds. */
  readonly leafLifetimeMs: number;
  /** Time after publication when every API server trusts an authority. */
  readonly settleMs: number;
};

/** An authority is valid for a year and signs for four months of it; a leaf is valid for 7 days. */
export const ROTATION_RULES: RotationRules = {
  authorityLifetimeMs: 365 * 86_400_000,
  leafLifetimeMs: 7 * 86_400_000,
  settleMs: 30_000,
};

/** The state from which the next step is decided. */
export type ObservedState = {
  /** The authorities in the Secret; undefined: none, or not usable. */
  readonly authorities: CertificateAuthoritySet | undefined;
  /** Value of the rotation annotation; empty: none. */
  readonly requested: string;
  /** The live `caBundle` of each webhook of both configurations. */
  readonly bundles: readonly string[];
  readonly now: number;
};

/**
 * - `create`: no authority can sign; create two.
 * - `rotate`: `next` becomes `current`, a new authority becomes `next`, and the old one stays trusted.
 * - `published`: record when every live bundle first contained `next`.
 * - `retire`: remove retired authorities whose leaves have all expired.
 */
export type RotationStep = 'create' | 'rotate' | 'published' | 'retire' | 'keep';

/**
 * Decides the next step. An authority signs a leaf only after every live bundle has contained it for
 * `settleMs`, except at the first installation and when every other authority has expired.
 */
export const nextStep = (state: ObservedState, rules: RotationRules): RotationStep => {
  const { authorities, now } = state;
  if (authorities === undefined || isExpired(authorities.next.certificate, now)) return 'create';
  if (isExpired(authorities.current.certificate, now)) return 'rotate';
  if (authorities.publishedAt === undefined) {
    return isTrustedByAll(authorities.next.certificate, state) ? 'published' : 'keep';
  }
  if (isDue(authorities, state, rules) && isSettled(authorities, state, rules)) return 'rotate';
  return authorities.retired.some(({ until }) => until <= now) ? 'retire' : 'keep';
};

/** Whether every webhook of both configurations trusts `certificate` now, and there are any. */
export const isTrustedByAll = (
  certificate: string,
  { bundles }: Pick<ObservedState, 'bundles'>,
): boolean => bundles.length > 0 && bundles.every((bundle) => bundleContains(bundle, certificate));

/** Returns the authorities to store in the Secret after `step`. */
export const applyStep = async (
  step: Exclude<RotationStep, 'keep'>,
  state: ObservedState,
  rules: RotationRules,
): Promise<CertificateAuthoritySet> => {
  const { authorities, now } = state;
  if (step === 'create' || authorities === undefined) return createAuthoritySet(state, rules);
  if (step === 'rotate') return rotateAuthorities(authorities, state, rules);
  if (step === 'published') return { ...authorities, publishedAt: now };
  return { ...authorities, retired: authorities.retired.filter(({ until }) => until > now) };
};

/** Whether a replica must sign a new leaf for itself. */
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
  state: ObservedState,
  { settleMs }: RotationRules,
): boolean =>
  state.now >= (authorities.publishedAt ?? Infinity) + settleMs &&
  isTrustedByAll(authorities.next.certificate, state);

const isExpired = (certificate: string, now: number): boolean =>
  readValidity(certificate).notAfter <= now;

/**
 * Creates two authorities. Certificates in the current bundles stay trusted while other replicas may
 * serve their leaves, so no call fails when a Secret was deleted or cert-manager is replaced.
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

/** A replica that read the Secret just before may sign one more leaf. */
const computeLastLeafExpiry = (now: number, { leafLifetimeMs, settleMs }: RotationRules): number =>
  now + leafLifetimeMs + 2 * settleMs;

const createNextAuthority = (now: number, { authorityLifetimeMs }: RotationRules) =>
  createCertificateAuthority({ now, lifetimeMs: authorityLifetimeMs });
