import type { RoundEdges } from '../certificate/round.ts';
import { describeFault } from '../reading/fault.ts';
import { DOCUMENTS_MAX_AGE_SECONDS } from './grant-times.ts';
import { readKeyRing, writeKeyRing, type KeyRing } from './key-ring.ts';
import {
  concernsOf,
  decideStep,
  publishedKeys,
  takeStep,
  type KeyConcern,
  type KeyRules,
  type KeySight,
  type KeyStep,
  type PublicCopy,
} from './rotation.ts';

/** The outside of a round; every function may throw when what it asks is unavailable. */
export type KeyRoundEdges = Pick<RoundEdges, 'readSecret' | 'createSecret' | 'replaceSecret'> & {
  readonly now: () => number;
  /**
   * What stands at the public `jwks_uri`; nothing: it could not be read. Absent where the cloud asks
   * the authority itself.
   */
  readonly seenPublicly?: () => Promise<PublicCopy | undefined>;
  /**
   * Told of every step that was taken, with the `kid` that signs after it, and of a Secret that could
   * not be used.
   */
  readonly onStep: (
    step: Exclude<KeyStep, 'keep'>,
    told: { readonly kid: string; readonly faults: readonly string[] },
  ) => void;
};

export type KeyRoundTerms = {
  /** Annotation of the Secret whose every new value taints. */
  readonly annotation: string;
  readonly rules: KeyRules;
};

export type KeyRoundResult = {
  readonly ring: KeyRing;
  readonly concerns: readonly KeyConcern[];
};

/** Others may write at the same time, but not for ever. */
const MAX_PASSES = 12;

/**
 * One round of the loop that every replica runs, without a leader: read the Secret, take the steps
 * that are due under optimistic locking, and answer the keys. Whoever loses a race reads again.
 *
 * @throws what an edge throws; the keys read before stay good until they are stale
 */
export const runKeyRound = async (
  { annotation, rules }: KeyRoundTerms,
  edges: KeyRoundEdges,
): Promise<KeyRoundResult> => {
  const seen = edges.seenPublicly === undefined ? undefined : { copy: await edges.seenPublicly() };
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const secret = await edges.readSecret();
    const stored = secret === undefined ? undefined : await readKeyRing(secret.data);
    const ring = stored?.ok === true ? stored.value : undefined;
    const taint = secret?.annotations[annotation] ?? '';
    const now = edges.now();
    const copy = seen === undefined ? ownCopy(ring, now) : seen.copy;
    const sight: KeySight = { ring, taint, copy, now };
    const step = decideStep(sight, rules);
    if (step === 'keep') {
      if (ring !== undefined) return { ring, concerns: concernsOf({ ...sight, ring }, rules) };
      continue;
    }
    const after = await takeStep(step, sight, rules);
    const data = writeKeyRing(after);
    const written = await (secret === undefined
      ? edges.createSecret(data)
      : edges.replaceSecret(secret.resourceVersion, data));
    const faults = stored?.ok === false ? stored.faults.map(describeFault) : [];
    if (written === 'written') edges.onStep(step, { kid: after.current.kid, faults });
  }
  throw new Error(`no round ended without a conflict in ${MAX_PASSES} passes`);
};

/** What the Secret holds is what every replica serves that may serve at all. */
const ownCopy = (ring: KeyRing | undefined, now: number): PublicCopy => ({
  kids: ring === undefined ? [] : publishedKeys(ring, now).map(({ kid }) => kid),
  maxAgeMs: DOCUMENTS_MAX_AGE_SECONDS * 1000,
});
