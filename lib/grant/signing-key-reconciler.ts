import { isEmpty, type CertificateReconcilerDeps } from '../certificate/certificate-reconciler.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { DOCUMENTS_MAX_AGE_SECONDS } from './grant-times.ts';
import { readKeyRing, writeKeyRing, type KeyRing } from './key-ring.ts';
import {
  findKeyProblems,
  nextStep,
  listPublishedKeys,
  applyStep,
  type KeyProblem,
  type KeyRules,
  type ObservedKeyState,
  type KeyStep,
  type PublishedKeys,
} from './key-rotation.ts';

/** Access to the cluster. Every function may throw when the cluster is unavailable. */
export type SigningKeyReconcilerDeps = Pick<
  CertificateReconcilerDeps,
  'readSecret' | 'replaceSecret'
> & {
  readonly now: () => number;
  /**
   * The keys at the public `jwks_uri`; undefined: they could not be read. The function is absent when
   * the cloud reads them from the authority itself.
   */
  readonly readPublishedKeys?: () => Promise<PublishedKeys | undefined>;
  /** Called after each step with the signing `kid`, and the field errors of an unusable Secret. */
  readonly onStep: (
    step: Exclude<KeyStep, 'keep'>,
    details: { readonly kid: string; readonly faults: readonly string[] },
  ) => void;
};

export type SigningKeyReconcilerOptions = {
  /** Annotation of the Secret; each new value taints the current key. */
  readonly annotation: string;
  readonly rules: KeyRules;
};

export type SigningKeyReconcileResult = {
  readonly ring: KeyRing;
  readonly problems: readonly KeyProblem[];
};

/** Attempts while other replicas write concurrently. */
const MAX_ATTEMPTS = 12;

/**
 * Reconciles the signing keys once. Every replica runs it in a loop, without a leader: it reads the
 * Secret, applies due steps under optimistic locking, and returns the keys. After a conflict it reads
 * again.
 *
 * @throws errors of `deps`; the keys read before remain valid until they are stale
 */
export const reconcileSigningKeys = async (
  { annotation, rules }: SigningKeyReconcilerOptions,
  deps: SigningKeyReconcilerDeps,
): Promise<SigningKeyReconcileResult> => {
  const seen =
    deps.readPublishedKeys === undefined ? undefined : { copy: await deps.readPublishedKeys() };
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const secret = await deps.readSecret();
    const stored = isEmpty(secret) ? undefined : await readKeyRing(secret.data);
    const ring = stored?.ok === true ? stored.value : undefined;
    const taint = secret.annotations[annotation] ?? '';
    const now = deps.now();
    const published = seen === undefined ? buildOwnPublishedKeys(ring, now) : seen.copy;
    const observed: ObservedKeyState = { ring, taint, published, now };
    const step = nextStep(observed, rules);
    if (step === 'keep') {
      if (ring !== undefined)
        return { ring, problems: findKeyProblems({ ...observed, ring }, rules) };
      continue;
    }
    const after = await applyStep(step, observed, rules);
    const data = writeKeyRing(after);
    const written = await deps.replaceSecret(secret.resourceVersion, data);
    const faults = stored?.ok === false ? stored.faults.map(formatFieldError) : [];
    if (written === 'written') deps.onStep(step, { kid: after.current.kid, faults });
  }
  throw new Error(
    `signing keys: expected a write without conflict in ${MAX_ATTEMPTS} attempts, got only conflicts`,
  );
};

/** Without a public copy, the authority serves the keys in the Secret itself. */
const buildOwnPublishedKeys = (ring: KeyRing | undefined, now: number): PublishedKeys => ({
  kids: ring === undefined ? [] : listPublishedKeys(ring, now).map(({ kid }) => kid),
  maxAgeMs: DOCUMENTS_MAX_AGE_SECONDS * 1000,
});
