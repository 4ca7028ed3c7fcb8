import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { UserIssuer } from '../contract/platform.ts';
import { formatValue } from '../schema/field-error.ts';
import { createJwksCache, type FetchJwks, type FindKey } from './jwks-cache.ts';
import { newRefusedError } from './identity-refusals.ts';
import {
  MAX_TOKEN_LENGTH,
  SIGNATURE_ALGORITHMS,
  verifySignedToken,
  type SignedClaims,
} from './signed-token.ts';
import type { User } from './workload.ts';

export type UserVerifierDeps = {
  /** `authority.users.issuers` of the platform. */
  readonly issuers: readonly UserIssuer[];
  /** Returns the function that fetches the JWKS of one issuer. */
  readonly fetchJwks: (issuer: UserIssuer) => FetchJwks;
  /** `authority.users.maxTokenLifetimeSeconds` of the platform. */
  readonly maxTokenLifetimeSeconds: number;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
  readonly monotonic: () => number;
};

/** Verifies the ID token of a human (OpenID Connect Core 1.0, section 3.1.3.7). */
export type UserVerifier = (token: string) => Promise<User>;

type IssuerVerifier = { readonly listed: UserIssuer; readonly findKey: FindKey };

/**
 * Creates the verifier of users' tokens. It does not consume them: see `consumeToken`.
 *
 * @returns throws IdentityError: refused (`user_token_…`), or unavailable (`user_keys_unavailable`)
 */
export const createUserVerifier = ({
  issuers,
  fetchJwks,
  maxTokenLifetimeSeconds,
  monotonic,
  now,
}: UserVerifierDeps): UserVerifier => {
  const verifiers = new Map<unknown, IssuerVerifier>(
    issuers.map((listed) => {
      const keys = {
        fetchJwks: fetchJwks(listed),
        monotonic,
        code: 'user_keys_unavailable',
      } as const;
      return [listed.issuer, { listed, findKey: createJwksCache(keys) }];
    }),
  );
  return async (token) => {
    const { type, issuer: named } = decodeUnverifiedToken(token);
    if (!isIdToken(type)) {
      throw newRefusedError(
        'user_token_claims',
        `expected an ID token, got typ ${formatValue(type)}`,
      );
    }
    const issuer = verifiers.get(named);
    if (issuer === undefined) {
      throw newRefusedError(
        'user_token_issuer',
        `expected a listed issuer, got ${formatValue(named)}`,
      );
    }
    const { listed, findKey } = issuer;
    const claims = await verifySignedToken(token, {
      kind: 'user_token',
      algorithms: SIGNATURE_ALGORITHMS,
      findKey,
      issuer: listed.issuer,
      audience: listed.audience,
      maxLifetimeSeconds: maxTokenLifetimeSeconds,
      now,
    });
    return toUser(claims, token, listed);
  };
};

type UnverifiedToken = { readonly type: unknown; readonly issuer: unknown };

/** Selects the keys to verify with. The signature, verified later, covers these values. */
const decodeUnverifiedToken = (token: string): UnverifiedToken => {
  if (token.length > MAX_TOKEN_LENGTH) {
    throw newRefusedError(
      'user_token_malformed',
      `expected at most ${MAX_TOKEN_LENGTH} characters`,
    );
  }
  try {
    return { type: decodeProtectedHeader(token).typ, issuer: decodeJwt(token).iss };
  } catch (cause) {
    throw newRefusedError('user_token_malformed', 'expected a signed JWT', { cause });
  }
};

/** Access tokens (`at+jwt`), logout tokens (`logout+jwt`) and others state their type. */
const isIdToken = (type: unknown): boolean =>
  type === undefined || (typeof type === 'string' && /^(application\/)?jwt$/i.test(type));

/** OpenID Connect Core 1.0, section 2: at most 255 ASCII characters. */
const SUBJECT = /^[\x20-\x7e]{1,255}$/;

const toUser = (claims: SignedClaims, token: string, listed: UserIssuer): User => {
  const { iss, sub, exp } = claims;
  if (!SUBJECT.test(sub)) {
    const expected = 'expected a sub of at most 255 printable ASCII characters';
    throw newRefusedError('user_token_claims', `${expected}, got ${formatValue(sub)}`);
  }
  const kubernetesName = buildKubernetesName(claims, listed);
  return {
    issuer: iss,
    subject: sub,
    digest: digestToken(iss, token),
    expiresAt: exp * 1000,
    ...(kubernetesName !== undefined && { kubernetesName }),
  };
};

/** `by` of an Approval has no longer names. */
const MAX_NAME_LENGTH = 253;

/**
 * Names a user as the API server does (`--oidc-username-claim`, `--oidc-username-prefix`). The API server
 * accepts an email without `email_verified`; here it must be true, or someone else could have chosen it.
 */
const buildKubernetesName = (
  { sub, email, email_verified }: SignedClaims,
  { kubernetesName: mapping }: UserIssuer,
): string | undefined => {
  if (mapping === undefined) return undefined;
  const claim = mapping.claim === 'sub' ? sub : email_verified === true ? email : undefined;
  if (typeof claim !== 'string' || claim === '') return undefined;
  const name = `${mapping.prefix}${claim}`;
  return name.length <= MAX_NAME_LENGTH ? name : undefined;
};

/**
 * SHA-256, hex, of the issuer and the signed part of the token. The signature is excluded: any holder
 * can derive a second valid ECDSA signature, and a used token would look unused.
 */
const digestToken = (issuer: string, token: string): string =>
  createHash('sha256')
    .update(`${issuer}\n${token.slice(0, token.lastIndexOf('.'))}`)
    .digest('hex');
