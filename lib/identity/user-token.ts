import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { UserIssuer } from '../contract/platform.ts';
import { show } from '../reading/fault.ts';
import { openKeys, type FetchJwks, type FindKey } from './keys.ts';
import { refused } from './refusals.ts';
import { MAX_TOKEN_LENGTH, verifySigned, type SignedClaims } from './signed-token.ts';
import type { User } from './workload.ts';

export type UserVerifierTerms = {
  /** `authority.users.issuers` of the platform. */
  readonly issuers: readonly UserIssuer[];
  /** The way to one issuer's JWKS. */
  readonly fetchJwks: (issuer: UserIssuer) => FetchJwks;
  /** `authority.users.maxTokenLifetimeSeconds` of the platform. */
  readonly maxTokenLifetimeSeconds: number;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
  readonly monotonic: () => number;
};

/** Verifies the ID token of a human (OpenID Connect Core 1.0, section 3.1.3.7). */
export type UserVerifier = (token: string) => Promise<User>;

/** Every asymmetric algorithm that issuers of ID tokens use; never `none`, never one with a shared key. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
];

type Known = { readonly listed: UserIssuer; readonly findKey: FindKey };

/**
 * Makes the verification of users' tokens. It spends nothing: see `openSpending`.
 *
 * @returns throws IdentityError: refused (`user_token_…`), or unavailable (`user_keys_unavailable`)
 */
export const openUserVerifier = (terms: UserVerifierTerms): UserVerifier => {
  const { issuers, fetchJwks, monotonic, now } = terms;
  const known = new Map<unknown, Known>(
    issuers.map((listed) => {
      const keys = {
        fetchJwks: fetchJwks(listed),
        monotonic,
        code: 'user_keys_unavailable',
      } as const;
      return [listed.issuer, { listed, findKey: openKeys(keys) }];
    }),
  );
  return async (token) => {
    const { type, issuer: named } = glimpse(token);
    if (!isIdToken(type)) {
      throw refused('user_token_claims', `expected an ID token, got typ ${show(type)}`);
    }
    const issuer = known.get(named);
    if (issuer === undefined) {
      throw refused('user_token_issuer', `expected a listed issuer, got ${show(named)}`);
    }
    const { listed, findKey } = issuer;
    const claims = await verifySigned(token, {
      kind: 'user_token',
      algorithms: ALGORITHMS,
      findKey,
      issuer: listed.issuer,
      audience: listed.audience,
      maxLifetimeSeconds: terms.maxTokenLifetimeSeconds,
      now,
    });
    return toUser(claims, token);
  };
};

type Glimpse = { readonly type: unknown; readonly issuer: unknown };

/** Says whose keys to try: all of it is verified, or covered by the signature, afterwards. */
const glimpse = (token: string): Glimpse => {
  if (token.length > MAX_TOKEN_LENGTH) {
    throw refused('user_token_malformed', `expected at most ${MAX_TOKEN_LENGTH} characters`);
  }
  try {
    return { type: decodeProtectedHeader(token).typ, issuer: decodeJwt(token).iss };
  } catch (cause) {
    throw refused('user_token_malformed', 'expected a signed JWT', { cause });
  }
};

/** Access tokens (`at+jwt`), logout tokens (`logout+jwt`) and their like say what they are. */
const isIdToken = (type: unknown): boolean =>
  type === undefined || (typeof type === 'string' && /^(application\/)?jwt$/i.test(type));

/** OpenID Connect Core 1.0, section 2: at most 255 ASCII characters. */
const SUBJECT = /^[\x20-\x7e]{1,255}$/;

const toUser = ({ iss, sub, exp }: SignedClaims, token: string): User => {
  if (!SUBJECT.test(sub)) {
    const expected = 'expected a sub of at most 255 printable ASCII characters';
    throw refused('user_token_claims', `${expected}, got ${show(sub)}`);
  }
  return { issuer: iss, subject: sub, digest: digestOf(iss, token), expiresAt: exp * 1000 };
};

/**
 * SHA-256, hex, of the issuer and what it signed. The signature itself stays out: from one ECDSA
 * signature anybody makes a second valid one, and a token spent once would look like a new one.
 */
const digestOf = (issuer: string, token: string): string =>
  createHash('sha256')
    .update(`${issuer}\n${token.slice(0, token.lastIndexOf('.'))}`)
    .digest('hex');
