import { errors, jwtVerify, type JWTPayload } from 'jose';
import { formatValue } from '../schema/field-error.ts';
import type { FindKey } from './jwks-cache.ts';
import { newRefusedError, type IdentityCode } from './identity-refusals.ts';
import { IdentityError } from './workload.ts';

export type SignedTokenOptions = {
  /** Prefix of the codes of refusals. */
  readonly kind: 'token' | 'user_token';
  readonly algorithms: readonly string[];
  readonly findKey: FindKey;
  /** Must match exactly. */
  readonly issuer: string;
  /** Must be the only audience. */
  readonly audience: string;
  readonly maxLifetimeSeconds: number;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
};

/** Claims of a token whose signature, issuer, audience and times are valid. */
export type SignedClaims = JWTPayload & {
  readonly iss: string;
  readonly sub: string;
  readonly exp: number;
  readonly iat: number;
};

/** The asymmetric algorithms that issuers of ID tokens and signals use; never `none` or a shared key. */
export const SIGNATURE_ALGORITHMS: readonly string[] = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
];

export const MAX_TOKEN_LENGTH = 16 * 1024;
const SKEW_SECONDS = 30;
const REQUIRED = ['iss', 'sub', 'aud', 'exp', 'iat'];

/**
 * Verifies a JWT (RFC 7519, RFC 8725): listed algorithm, key by ID, exact issuer, exactly one
 * audience, times within ±30 s, and a limited lifetime.
 *
 * @throws IdentityError refused, with a code that starts with `kind`; what `findKey` throws
 */
export const verifySignedToken = async (
  token: string,
  options: SignedTokenOptions,
): Promise<SignedClaims> => {
  const claims = await verifySignature(token, options);
  checkAudience(claims, options);
  checkTimes(claims, options);
  if (typeof claims.sub !== 'string' || claims.sub === '') {
    const signedClaims = claims;
    throw newRefusedError(`${options.kind}_claims`, 'expected a sub, got none', { signedClaims });
  }
  return claims as SignedClaims;
};

const verifySignature = async (token: string, options: SignedTokenOptions): Promise<JWTPayload> => {
  const { kind, algorithms, findKey, issuer, audience, now } = options;
  if (token.length > MAX_TOKEN_LENGTH) {
    throw newRefusedError(`${kind}_malformed`, `expected at most ${MAX_TOKEN_LENGTH} characters`);
  }
  try {
    const { payload } = await jwtVerify(token, findKey, {
      algorithms: [...algorithms],
      issuer,
      audience,
      requiredClaims: REQUIRED,
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(now()),
    });
    return payload;
  } catch (error) {
    throw toIdentityError(error, options);
  }
};

const toIdentityError = (
  error: unknown,
  { kind, issuer, audience }: SignedTokenOptions,
): unknown => {
  if (error instanceof IdentityError || !(error instanceof errors.JOSEError)) return error;
  // jose checks the claims after the signature.
  const signedClaims =
    error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed
      ? error.payload
      : undefined;
  const refuse = (code: Parameters<typeof buildIdentityCode>[1], message: string) =>
    newRefusedError(buildIdentityCode(kind, code), message, {
      cause: error,
      ...(signedClaims && { signedClaims }),
    });
  if (error instanceof errors.JWTExpired) return refuse('expired', 'expected an exp in the future');
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason !== 'check_failed') return refuse('claims', `expected a valid ${error.claim}`);
    if (error.claim === 'iss') {
      return refuse('issuer', `expected iss ${issuer}, got ${formatValue(error.payload.iss)}`);
    }
    if (error.claim === 'aud') {
      return refuse('audience', `expected aud ${audience}, got ${formatValue(error.payload.aud)}`);
    }
    return refuse('not_yet_valid', `expected an ${error.claim} in the past`);
  }
  const [code, message] = JOSE_CODES[error.code] ?? ['malformed', 'expected a signed JWT'];
  return refuse(code, message);
};

type TokenCode = IdentityCode extends infer C
  ? C extends `user_token_${infer R}`
    ? R
    : never
  : never;
type SharedCode = Exclude<TokenCode, 'replayed'>;

const buildIdentityCode = (kind: SignedTokenOptions['kind'], code: SharedCode): IdentityCode =>
  `${kind}_${code}`;

const JOSE_CODES: Readonly<Record<string, readonly [SharedCode, string]>> = {
  ERR_JOSE_ALG_NOT_ALLOWED: ['algorithm', 'expected an accepted algorithm'],
  ERR_JOSE_NOT_SUPPORTED: ['algorithm', 'expected an accepted algorithm'],
  ERR_JWKS_NO_MATCHING_KEY: ['key_unknown', 'expected a key that the issuer publishes'],
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: ['key_unknown', 'expected a kid that names one key'],
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: ['signature', 'expected a signature by the issuer'],
};

/**
 * Accepts a string or a list of one. A token with further audiences is refused: those parties could
 * present it here, and it would be accepted elsewhere.
 */
const checkAudience = (claims: JWTPayload, { kind, audience }: SignedTokenOptions): void => {
  const { aud } = claims;
  const all = Array.isArray(aud) ? aud : [aud];
  if (all.length === 1 && all[0] === audience) return;
  throw newRefusedError(
    `${kind}_audience`,
    `expected aud ${audience} alone, got ${formatValue(aud)}`,
    { signedClaims: claims },
  );
};

const checkTimes = (claims: JWTPayload, { kind, maxLifetimeSeconds, now }: SignedTokenOptions) => {
  const { exp = NaN, iat = NaN } = claims;
  if (iat > now() / 1000 + SKEW_SECONDS) {
    const expected = 'expected an iat in the past';
    throw newRefusedError(`${kind}_not_yet_valid`, expected, { signedClaims: claims });
  }
  const lifetime = exp - iat;
  if (lifetime > 0 && lifetime <= maxLifetimeSeconds) return;
  const expected = `expected a lifetime of at most ${maxLifetimeSeconds} s`;
  const message = `${expected}, got ${formatValue(lifetime)}`;
  throw newRefusedError(`${kind}_lifetime`, message, { signedClaims: claims });
};
