import { createPrivateKey, X509Certificate } from 'node:crypto';

import { fail, succeed, type Result } from '../schema/field-error.ts';

/** The certificate that a replica serves with, and whether API servers trust it. */
export type ServingCertificate = {
  /** PEM: the leaf and its intermediates. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Whether the live webhook configurations trust its issuer, as far as known. */
  readonly isTrusted: boolean;
};

/** Reads a certificate and key that another program manages; a field error if they do not match. */
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
    // Same field error as for a mismatch; the cause is dropped because it could quote the key.
  }
  const expected = 'a PEM certificate, and the private key that belongs to it';
  return fail([{ path: 'tls.crt, tls.key', expected, got: 'something else (not shown)' }]);
};
