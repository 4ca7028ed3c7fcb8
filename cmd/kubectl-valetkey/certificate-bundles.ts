import { X509Certificate } from 'node:crypto';

/** CA certificates that clients of a program trust. */
export type BundleState = {
  readonly name: string;
  /** Milliseconds since the epoch, of the certificate that is valid longest. */
  readonly expiresAt: number;
};

export type BundleCheck = {
  readonly problems: readonly string[];
  readonly bundles: readonly BundleState[];
};

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Checks that a PEM bundle contains a certificate that is valid at `now` (milliseconds since the epoch). */
export const checkBundle = (name: string, pem: string, now: number): BundleCheck => {
  const certificates = (pem.match(PEM_BLOCK) ?? []).flatMap(parseCertificate);
  const last = certificates.reduce<X509Certificate | undefined>(
    (latest, each) =>
      latest === undefined || each.validToDate > latest.validToDate ? each : latest,
    undefined,
  );
  if (last === undefined) {
    const got = pem === '' ? 'nothing' : 'text without one';
    return { problems: [`${name}: expected a CA certificate, got ${got}`], bundles: [] };
  }
  const bundles = [{ name, expiresAt: last.validToDate.getTime() }];
  const isValid = certificates.some(
    ({ validFromDate, validToDate }) =>
      validFromDate.getTime() <= now && now < validToDate.getTime(),
  );
  const expected = 'a CA certificate that is valid now';
  const got = `one that is valid until ${last.validToDate.toISOString()}`;
  return { problems: isValid ? [] : [`${name}: expected ${expected}, got ${got}`], bundles };
};

const parseCertificate = (pem: string): readonly X509Certificate[] => {
  try {
    return [new X509Certificate(pem)];
  } catch {
    return [];
  }
};
