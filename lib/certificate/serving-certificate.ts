import { createPrivateKey, X509Certificate } from 'node:crypto';

import { fail, succeed, type Result } from '../schema/field-error.ts';

/** What a replica serves with, and whether API servers will trust it. */
export type ServingCertificate = {
  /** PEM; the leaf, and what stands between it and its root. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Whether the live webhook configurations trust its issuer, as far as we can tell. */
  readonly isTrusted: boolean;
};

/** A certificate and key that somebody else keeps, or the fault that they are no pair. */
export const readServingCertificate = ({
  certificate,
  key,
}: Pick<ServingCertificate, 'certificate' | 'key'>): Result<
  Omit<ServingCertificate, 'isTrusted'>
> => {
  try {
    const leaf = new X509Certificate(certificate);
    if (leaf.checkPrivateKey(createPrivateKey(key))) {
      return succeed({ certificate, key, notAfter: leaf.validToDate.getTime() });
    }
  } catch {
    // Unreadable is as bad as no pair, and a cause could quote the key.
  }
  const expected = 'a PEM certificate, and the private key that belongs to it';
  return fail([{ path: 'tls.crt, tls.key', expected, got: 'something else (not shown)' }]);
};
