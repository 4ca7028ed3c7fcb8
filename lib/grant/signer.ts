import { createPrivateKey, sign, type KeyObject } from 'node:crypto';

import type { GrantClaims } from './claims.ts';
import type { GrantKey } from './key-ring.ts';

/**
 * Signs a grant and returns a compact JWS (RFC 7515). A key in a Secret, a KMS or an HSM implements this
 * one function.
 *
 * @throws ExchangeError `unavailable` when no key may sign now
 */
export type Signer = (claims: GrantClaims) => Promise<string>;

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** ES256 signatures are R and S, one after the other (RFC 7518, section 3.4), not DER; RS256 has one form. */
const signText = (text: string, key: KeyObject): string =>
  sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');

/**
 * Creates a signer that uses the key returned by `getKey`; each key is imported once. `jose` signs the
 * same with twice the CPU, because it goes through Web Crypto's worker threads.
 */
export const createSigner = (getKey: () => GrantKey): Signer => {
  let imported: { readonly kid: string; readonly key: KeyObject } | undefined;
  // Nothing waits here, but another signer, such as a KMS, does.
  // eslint-disable-next-line @typescript-eslint/require-await
  return async (claims) => {
    const { kid, algorithm, key } = getKey();
    if (imported?.kid !== kid) imported = { kid, key: createPrivateKey(key) };
    const text = `${encode({ alg: algorithm, kid, typ: 'JWT' })}.${encode(claims)}`;
    return `${text}.${signText(text, imported.key)}`;
  };
};
