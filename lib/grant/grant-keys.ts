import { createSingleFlight } from '../async/single-flight.ts';
import type { Clock } from '../contract/clock.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { buildJwks, type Jwks } from './issuer-documents.ts';
import { JWKS_FRESH_MS } from './grant-times.ts';
import type { GrantKey } from './key-ring.ts';
import { listPublishedKeys, selectSigningKey } from './key-rotation.ts';
import {
  reconcileSigningKeys,
  type SigningKeyReconcilerDeps,
  type SigningKeyReconcileResult,
  type SigningKeyReconcilerOptions,
} from './signing-key-reconciler.ts';
import { createSigner, type Signer } from './signer.ts';

export type GrantKeyStore = {
  /**
   * One round; whoever asks while one goes on gets its result.
   *
   * @throws what an edge throws
   */
  readonly refresh: () => Promise<SigningKeyReconcileResult>;
  readonly sign: Signer;
  /** What to publish now; nothing: never read, or too long ago to tell. */
  readonly jwks: () => Jwks | undefined;
  /**
   * The same for a cloud that asks: keys that were read more than {@link JWKS_FRESH_MS} ago are read
   * again first, so that replicas agree even after a taint. Where they cannot be, those held do.
   */
  readonly freshJwks: () => Promise<Jwks | undefined>;
  /** PEM certificates of the published keys, the signing one first; empty as `jwks` is nothing. */
  readonly certificates: () => readonly string[];
};

/**
 * The keys of grants as this replica knows them. They are good for `staleAfterMs` from the moment at
 * which the Secret was asked for: then it neither signs nor publishes until a round succeeds. So a
 * tainted key is used by nobody after the next round of each replica, and by one that has lost the
 * API server after `staleAfterMs`; the JWKS of every other replica has dropped it by then.
 */
export const createGrantKeyStore = (
  terms: SigningKeyReconcilerOptions,
  edges: Omit<SigningKeyReconcilerDeps, 'now'>,
  clock: Clock,
): GrantKeyStore => {
  let held: (SigningKeyReconcileResult & { readonly readAt: number }) | undefined;
  const round = async (): Promise<SigningKeyReconcileResult> => {
    const readAt = clock.monotonic();
    const result = await reconcileSigningKeys(terms, { ...edges, now: clock.now });
    held = { ...result, readAt };
    return result;
  };
  const ring = () =>
    held !== undefined && clock.monotonic() < held.readAt + terms.rules.staleAfterMs
      ? held.ring
      : undefined;
  const keyNow = (): GrantKey => {
    const known = ring();
    if (known === undefined) throw new ExchangeError('unavailable', 'signing_keys_stale', STALE);
    return selectSigningKey(known, clock.now());
  };
  const published = () => {
    const known = ring();
    return known === undefined ? [] : listPublishedKeys(known, clock.now());
  };
  const refresh = createSingleFlight(round);
  const jwks = (): Jwks | undefined => {
    const keys = published();
    return keys.length === 0 ? undefined : buildJwks(keys);
  };
  return {
    refresh,
    sign: createSigner(keyNow),
    jwks,
    freshJwks: async () => {
      const age = clock.monotonic() - (held?.readAt ?? -Infinity);
      if (age > JWKS_FRESH_MS) await refresh().catch(() => undefined);
      return jwks();
    },
    certificates: () => published().map(({ certificate }) => certificate),
  };
};

const STALE = 'The keys of grants have not been read from the API server for too long.';
