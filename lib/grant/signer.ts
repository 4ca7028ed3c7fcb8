import { importPKCS8, SignJWT, type CryptoKey } from 'jose';

import type { GrantClaims } from './claims.ts';
import type { GrantKey } from './key-ring.ts';

/**
 * Signs a grant: claims in, compact JWS (RFC 7515) out. The one thing that a key in a Secret, a KMS
 * or an HSM each has to be.
 *
 * @throws ExchangeError `unavailable` when no key may sign now
 */
export type Signer = (claims: GrantClaims) => Promise<string>;

/** Signs by the key that `keyNow` answers; each key is read once. */
export const createSigner = (keyNow: () => GrantKey): Signer => {
  let imported: { readonly kid: string; readonly key: Promise<CryptoKey> } | undefined;
  return async (claims) => {
    const { kid, algorithm, key } = keyNow();
    if (imported?.kid !== kid) imported = { kid, key: importPKCS8(key, algorithm) };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT' })
      .sign(await imported.key);
  };
};
