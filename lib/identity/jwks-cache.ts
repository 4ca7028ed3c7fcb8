import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWTVerifyGetKey,
} from 'jose';
import { newUnavailableError, type IdentityCode } from './identity-refusals.ts';

/** Asks an issuer for its JWKS, parsed from JSON and foreign; throws when it could not be had. */
export type FetchJwks = () => Promise<unknown>;

/** Finds the key that a token's header names. */
export type FindKey = JWTVerifyGetKey;

export type JwksCacheDeps = {
  readonly fetchJwks: FetchJwks;
  /** Milliseconds that never jump. */
  readonly monotonic: () => number;
  /** Of the error where no keys were ever had. */
  readonly code: Extract<IdentityCode, `${string}keys_unavailable`>;
};

/** Keys are asked for again after this: one that was withdrawn is not believed for longer. */
const MAX_AGE_MS = 5 * 60_000;
/** Between two tries: unknown key ids are free to send, and must not become a flood of requests. */
const COOL_DOWN_MS = 10_000;
/** Without any keys nobody is served: it is worth more tries. */
const EMPTY_COOL_DOWN_MS = 1_000;

/**
 * Holds an issuer's keys, the last good set for as long as no better one is to be had. A key id that
 * the set does not know makes it ask again, at most every ten seconds.
 *
 * @returns throws IdentityError, unavailable, when no set was ever had, or when the key is unknown and
 *   the issuer cannot be asked whether it is new
 */
export const createJwksCache = ({ fetchJwks, monotonic, code }: JwksCacheDeps): FindKey => {
  let held: JWTVerifyGetKey | undefined;
  let [heldAt, triedAt] = [-Infinity, -Infinity];
  let failure: { readonly cause: unknown } | undefined;
  let fetching: Promise<void> | undefined;

  const load = async (): Promise<void> => {
    try {
      held = createLocalJWKSet(readJwks(await fetchJwks()));
      heldAt = monotonic();
      failure = undefined;
    } catch (cause) {
      failure = { cause };
    } finally {
      fetching = undefined;
    }
  };
  const renew = async (): Promise<void> => {
    const coolDown = held === undefined ? EMPTY_COOL_DOWN_MS : COOL_DOWN_MS;
    if (fetching === undefined && monotonic() - triedAt >= coolDown) {
      triedAt = monotonic();
      fetching = load();
    }
    await fetching;
  };
  const noKeys = (): never => {
    throw newUnavailableError(code, 'the keys of the issuer could not be fetched', failure);
  };

  return async (header, token) => {
    if (monotonic() - heldAt > MAX_AGE_MS) await renew();
    try {
      return await (held ?? noKeys())(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    await renew();
    if (failure !== undefined) noKeys();
    return (held ?? noKeys())(header, token);
  };
};

const MAX_KEYS = 100;

/** At least one key: an answer without any is a fault of the answer, not a withdrawal of all keys. */
const readJwks = (answer: unknown): JSONWebKeySet => {
  const { keys } = (answer ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw new Error('the answer is no JWKS');
  const usable = (keys as readonly JWK[]).filter(isUsableKey);
  if (usable.length === 0) throw new Error('the JWKS holds no key');
  return { keys: usable };
};

/** A modulus of 2048 bits is 342 characters long; `jose` refuses shorter ones as if it were our bug. */
const MIN_MODULUS_LENGTH = 342;

const isUsableKey = (key: unknown): boolean => {
  const { kty, n } = (key ?? {}) as { kty?: unknown; n?: unknown };
  if (kty === 'RSA') return typeof n === 'string' && n.length >= MIN_MODULUS_LENGTH;
  return kty === 'EC' || kty === 'OKP';
};
