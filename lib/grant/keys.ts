import type { Clock } from '../contract/clock.ts';
import { ExchangeError } from '../credentials/exchange.ts';
import { jwksOf, type Jwks } from './documents.ts';
import { JWKS_FRESH_MS } from './grant-times.ts';
import type { GrantKey } from './key-ring.ts';
import { publishedKeys, signingKey } from './rotation.ts';
import {
  runKeyRound,
  type KeyRoundEdges,
  type KeyRoundResult,
  type KeyRoundTerms,
} from './round.ts';
import { signerOf, type Signer } from './signer.ts';

export type GrantKeys = {
  /**
   * One round; whoever asks while one goes on gets its result.
   *
   * @throws what an edge throws
   */
  readonly refresh: () => Promise<KeyRoundResult>;
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
export const openGrantKeys = (
  terms: KeyRoundTerms,
  edges: Omit<KeyRoundEdges, 'now'>,
  clock: Clock,
): GrantKeys => {
  let held: (KeyRoundResult & { readonly readAt: number }) | undefined;
  let running: Promise<KeyRoundResult> | undefined;
  const round = async (): Promise<KeyRoundResult> => {
    const readAt = clock.monotonic();
    const result = await runKeyRound(terms, { ...edges, now: clock.now });
    held = { ...result, readAt };
    return result;
  };
  const ring = () =>
    held !== undefined && clock.monotonic() < held.readAt + terms.rules.staleAfterMs
      ? held.ring
      : undefined;
  const keyNow = (): GrantKey => {
    const known = ring();
    if (known === undefined) throw new ExchangeError('unavailable', 'keys_stale', STALE);
    return signingKey(known, clock.now());
  };
  const published = () => {
    const known = ring();
    return known === undefined ? [] : publishedKeys(known, clock.now());
  };
  const refresh = (): Promise<KeyRoundResult> =>
    (running ??= round().finally(() => {
      running = undefined;
    }));
  const jwks = (): Jwks | undefined => {
    const keys = published();
    return keys.length === 0 ? undefined : jwksOf(keys);
  };
  return {
    refresh,
    sign: signerOf(keyNow),
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
