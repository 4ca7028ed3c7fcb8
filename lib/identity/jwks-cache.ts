import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWK,
  type JWTVerifyGetKey,
} from 'jose';
import { newUnavailableError, type IdentityCode } from './identity-refusals.ts';

/** Fetches the JWKS of an issuer: parsed JSON, not validated. Rejects if it cannot be fetched. */
export type FetchJwks = () => Promise<unknown>;

/** Finds the key that the header of a token names. */
export type FindKey = JWTVerifyGetKey;

export type JwksCacheDeps = {
  readonly fetchJwks: FetchJwks;
  /** Monotonic clock, milliseconds. */
  readonly monotonic: () => number;
  /** Code of the error if no keys were ever fetched. */
  readonly code: Extract<IdentityCode, `${string}keys_unavailable`>;
};

/** Keys are fetched again after this: a withdrawn key is not accepted for longer. */
const MAX_AGE_MS = 5 * 60_000;
/** Minimum interval between fetches: any caller can send unknown key IDs, which must not cause a flood. */
const COOL_DOWN_MS = 10_000;
/** The interval while there are no keys, because no token can be verified until then. */
const EMPTY_COOL_DOWN_MS = 1_000;

/**
 * Caches the keys of an issuer, and keeps the last valid set while no newer one can be fetched. An
 * unknown key ID causes a fetch, at most every ten seconds.
 *
 * @returns throws IdentityError, unavailable, if no set was ever fetched, or if the key is unknown and
 *   the issuer cannot be reached
 */
export const createJwksCache = ({ fetchJwks, monotonic, code }: JwksCacheDeps): FindKey => {
  let cached: JWTVerifyGetKey | undefined;
  let [cachedAt, triedAt] = [-Infinity, -Infinity];
  let failure: { readonly cause: unknown } | undefined;
  let fetching: Promise<void> | undefined;

  const load = async (): Promise<void> => {
    try {
      cached = createLocalJWKSet(readJwks(await fetchJwks()));
      cachedAt = monotonic();
      failure = undefined;
    } catch (cause) {
      failure = { cause };
    } finally {
      fetching = undefined;
    }
  };
  const renew = async (): Promise<void> => {
    const coolDown = cached === undefined ? EMPTY_COOL_DOWN_MS : COOL_DOWN_MS;
    if (fetching === undefined && monotonic() - triedAt >= coolDown) {
      triedAt = monotonic();
      fetching = load();
    }
    await fetching;
  };
  const failWithoutKeys = (): never => {
    throw newUnavailableError(code, 'the keys of the issuer could not be fetched', failure);
  };

  return async (header, token) => {
    if (monotonic() - cachedAt > MAX_AGE_MS) await renew();
    try {
      return await (cached ?? failWithoutKeys())(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    await renew();
    if (failure !== undefined) failWithoutKeys();
    return (cached ?? failWithoutKeys())(header, token);
  };
};

const MAX_KEYS = 100;

/** Requires at least one key: a response without keys is an error, not a withdrawal of all keys. */
const readJwks = (response: unknown): JSONWebKeySet => {
  const { keys } = (response ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw new Error('the response is not a JWKS');
  const usable = (keys as readonly JWK[]).filter(isUsableKey);
  if (usable.length === 0) throw new Error('the JWKS contains no usable key');
  return { keys: usable };
};

/** Length of a modulus of 2048 bits. For a shorter one `jose` throws a TypeError, not a JOSEError. */
const MIN_MODULUS_LENGTH = 342;

const isUsableKey = (key: unknown): boolean => {
  const { kty, n } = (key ?? {}) as { kty?: unknown; n?: unknown };
  if (kty === 'RSA') return typeof n === 'string' && n.length >= MIN_MODULUS_LENGTH;
  return kty === 'EC' || kty === 'OKP';
};
