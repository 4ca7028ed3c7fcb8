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
   * Reconciles the keys once; concurrent callers share the result.
   *
   * @throws errors of the cluster
   */
  readonly refresh: () => Promise<SigningKeyReconcileResult>;
  readonly sign: Signer;
  /** The key set to publish; undefined: the keys were never read, or are stale. */
  readonly jwks: () => Jwks | undefined;
  /**
   * The key set for a request of a cloud. Keys older than {@link JWKS_FRESH_MS} are read again first, so
   * that replicas agree even after a taint. If that fails, the known keys are used.
   */
  readonly freshJwks: () => Promise<Jwks | undefined>;
  /** PEM certificates of the published keys, the signing key first; empty when `jwks` is undefined. */
  readonly certificates: () => readonly string[];
};

/**
 * Creates the store of signing keys of this replica. Keys are valid for `staleAfterMs` after the start of
 * the read; then the replica neither signs nor publishes until a read succeeds. A tainted key is
 * therefore unused after the next reconciliation of each replica, or after `staleAfterMs` on a replica
 * that has lost the API server; by then the JWKS of all other replicas no longer contain it.
 */
export const createGrantKeyStore = (
  options: SigningKeyReconcilerOptions,
  deps: Omit<SigningKeyReconcilerDeps, 'now'>,
  clock: Clock,
): GrantKeyStore => {
  let last: (SigningKeyReconcileResult & { readonly readAt: number }) | undefined;
  const reconcile = async (): Promise<SigningKeyReconcileResult> => {
    const readAt = clock.monotonic();
    const result = await reconcileSigningKeys(options, { ...deps, now: clock.now });
    last = { ...result, readAt };
    return result;
  };
  const ring = () =>
    last !== undefined && clock.monotonic() < last.readAt + options.rules.staleAfterMs
      ? last.ring
      : undefined;
  const getSigningKey = (): GrantKey => {
    const known = ring();
    if (known === undefined) throw new ExchangeError('unavailable', 'signing_keys_stale', STALE);
    return selectSigningKey(known, clock.now());
  };
  const published = () => {
    const known = ring();
    return known === undefined ? [] : listPublishedKeys(known, clock.now());
  };
  const refresh = createSingleFlight(reconcile);
  const jwks = (): Jwks | undefined => {
    const keys = published();
    return keys.length === 0 ? undefined : buildJwks(keys);
  };
  return {
    refresh,
    sign: createSigner(getSigningKey),
    jwks,
    freshJwks: async () => {
      const age = clock.monotonic() - (last?.readAt ?? -Infinity);
      if (age > JWKS_FRESH_MS) await refresh().catch(() => undefined);
      return jwks();
    },
    certificates: () => published().map(({ certificate }) => certificate),
  };
};

const STALE = 'The signing keys have not been read from the API server for too long.';
