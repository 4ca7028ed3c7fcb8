import { importPKCS8, SignJWT, type CryptoKey } from 'jose';

import type { GrantClaims } from './claims.ts';
import type { GrantKey } from './key-ring.ts';

/**
 * Signs a grant and returns a compact JWS (RFC 7515). A key in a Secret, a KMS or an HSM implements this
 * one function.
 *
 * @throws ExchangeError `unavailable` when no key may sign now
 */
export type Signer = (claims: GrantClaims) => Promise<string>;

/** Creates a signer that uses the key returned by `getKey`; each key is imported once. */
export const createSigner = (getKey: () => GrantKey): Signer => {
  let imported: { readonly kid: string; readonly key: Promise<CryptoKey> } | undefined;
  return async (claims) => {
    const { kid, algorithm, key } = getKey();
    if (imported?.kid !== kid) imported = { kid, key: importPKCS8(key, algorithm) };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT' })
      .sign(await imported.key);
  };
};
