import type { CertificateReconcilerDeps } from '../certificate/certificate-reconciler.ts';
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

/** The outside of a round; every function may throw when what it asks is unavailable. */
export type SigningKeyReconcilerDeps = Pick<
  CertificateReconcilerDeps,
  'readSecret' | 'createSecret' | 'replaceSecret'
> & {
  readonly now: () => number;
  /**
   * What stands at the public `jwks_uri`; nothing: it could not be read. Absent where the cloud asks
   * the authority itself.
   */
  readonly readPublishedKeys?: () => Promise<PublishedKeys | undefined>;
  /**
   * Told of every step that was taken, with the `kid` that signs after it, and of a Secret that could
   * not be used.
   */
  readonly onStep: (
    step: Exclude<KeyStep, 'keep'>,
    told: { readonly kid: string; readonly faults: readonly string[] },
  ) => void;
};

export type SigningKeyReconcilerOptions = {
  /** Annotation of the Secret whose every new value taints. */
  readonly annotation: string;
  readonly rules: KeyRules;
};

export type SigningKeyReconcileResult = {
  readonly ring: KeyRing;
  readonly problems: readonly KeyProblem[];
};

/** Others may write at the same time, but not for ever. */
const MAX_ATTEMPTS = 12;

/**
 * One round of the loop that every replica runs, without a leader: read the Secret, take the steps
 * that are due under optimistic locking, and answer the keys. Whoever loses a race reads again.
 *
 * @throws what an edge throws; the keys read before stay good until they are stale
 */
export const reconcileSigningKeys = async (
  { annotation, rules }: SigningKeyReconcilerOptions,
  edges: SigningKeyReconcilerDeps,
): Promise<SigningKeyReconcileResult> => {
  const seen =
    edges.readPublishedKeys === undefined ? undefined : { copy: await edges.readPublishedKeys() };
  for (let pass = 0; pass < MAX_ATTEMPTS; pass += 1) {
    const secret = await edges.readSecret();
    const stored = secret === undefined ? undefined : await readKeyRing(secret.data);
    const ring = stored?.ok === true ? stored.value : undefined;
    const taint = secret?.annotations[annotation] ?? '';
    const now = edges.now();
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
    const written = await (secret === undefined
      ? edges.createSecret(data)
      : edges.replaceSecret(secret.resourceVersion, data));
    const faults = stored?.ok === false ? stored.faults.map(formatFieldError) : [];
    if (written === 'written') edges.onStep(step, { kid: after.current.kid, faults });
  }
  throw new Error(`no round ended without a conflict in ${MAX_ATTEMPTS} passes`);
};

/** What the Secret holds is what every replica serves that may serve at all. */
const buildOwnPublishedKeys = (ring: KeyRing | undefined, now: number): PublishedKeys => ({
  kids: ring === undefined ? [] : listPublishedKeys(ring, now).map(({ kid }) => kid),
  maxAgeMs: DOCUMENTS_MAX_AGE_SECONDS * 1000,
});
