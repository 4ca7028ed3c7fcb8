import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';

import { SecretError } from '../upstreams/secret-fetcher.ts';

/** What a client of a token server or of an API says of itself for some seconds. */
export type ClientAssertion = {
  readonly issuer: string;
  readonly subject?: string;
  readonly audience?: string;
  /** Unique, for servers that accept each one once. */
  readonly id?: string;
};

/** Less than a minute: RFC 7523, section 3, lets servers refuse more. */
const LIFETIME_SECONDS = 50;
/** Before now, for a server whose clock is behind. */
const BACKDATE_SECONDS = 10;

const ALGORITHMS: Readonly<Record<string, string>> = {
  rsa: 'RS256',
  ec: 'ES256',
  ed25519: 'EdDSA',
};

const readKey = (pem: string): KeyObject => {
  try {
    return createPrivateKey(pem);
  } catch {
    // The parser's message could quote the key.
    throw new SecretError('secret_invalid', 'expected a private key in PEM');
  }
};

/**
 * Signs an assertion (RFC 7523, section 2.2) by RS256, ES256 or EdDSA, as the key is.
 *
 * @param pem PKCS #1 or #8
 * @param now milliseconds since the epoch
 * @throws SecretError `secret_invalid` for anything but a private key of these kinds; it never quotes the key
 */
export const signClientAssertion = (
  pem: string,
  { issuer, subject, audience, id }: ClientAssertion,
  now: number,
): Promise<string> => {
  const key = readKey(pem);
  const alg = ALGORITHMS[key.asymmetricKeyType ?? ''];
  if (alg === undefined) {
    throw new SecretError('secret_invalid', 'expected a private key for RSA, P-256 or Ed25519');
  }
  const issuedAt = Math.floor(now / 1000) - BACKDATE_SECONDS;
  return new SignJWT({
    iss: issuer,
    ...(subject === undefined ? {} : { sub: subject }),
    ...(audience === undefined ? {} : { aud: audience }),
    ...(id === undefined ? {} : { jti: id }),
    iat: issuedAt,
    exp: issuedAt + BACKDATE_SECONDS + LIFETIME_SECONDS,
  })
    .setProtectedHeader({ alg, typ: 'JWT' })
    .sign(key);
};
