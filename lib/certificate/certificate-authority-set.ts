import { fail, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { parseJson } from '../schema/json.ts';
import { integer, list, object, read, string } from '../schema/reader.ts';
import { isCertificateAuthority, type CertificateAuthority } from './certificate-authority.ts';
import { joinBundle } from './trust-bundle.ts';

/** An authority that no longer signs; trusted until its last leaf has expired. */
type RetiredAuthority = { readonly certificate: string; readonly until: number };

/**
 * The authorities in the Secret. `current` signs; `next` is in every `caBundle` long before it signs;
 * `retired` are still trusted. Times are milliseconds since the epoch.
 */
export type CertificateAuthoritySet = {
  readonly current: CertificateAuthority;
  readonly next: CertificateAuthority;
  readonly retired: readonly RetiredAuthority[];
  /** When `current` started to sign. */
  readonly promotedAt: number;
  /** When `next` was first seen in every live `caBundle`; absent: not yet. */
  readonly publishedAt?: number;
  /** The last value of the rotation annotation that was processed. */
  readonly rotationDone: string;
};

/** Decoded `data` of a Secret. */
export type SecretData = Readonly<Record<string, string>>;

const STATE_KEY = 'state.json';
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const state = object({
  promotedAt: time,
  publishedAt: { optional: time },
  rotationDone: string(),
  retired: list(object({ certificate: string(), until: time })),
});

/** Reads the data of the Secret. Field errors name its keys and never contain a value. */
export const readCertificateAuthoritySet = (data: SecretData): Result<CertificateAuthoritySet> => {
  const faults: FieldError[] = [];
  const current = readSlot(data, 'current', faults);
  const next = readSlot(data, 'next', faults);
  const rest = read(state, parseJson(data[STATE_KEY] ?? ''), STATE_KEY);
  if (!rest.ok || faults.length > 0) return fail([...faults, ...(rest.ok ? [] : rest.faults)]);
  return succeed({ current, next, ...rest.value });
};

/** Writes the data of the Secret; the inverse of {@link readCertificateAuthoritySet}. */
export const writeCertificateAuthoritySet = ({
  current,
  next,
  ...rest
}: CertificateAuthoritySet): SecretData => ({
  'current.crt': current.certificate,
  'current.key': current.key,
  'next.crt': next.certificate,
  'next.key': next.key,
  [STATE_KEY]: JSON.stringify(rest),
});

/** The `caBundle` for both webhook configurations, PEM. */
export const buildTrustBundle = ({ current, next, retired }: CertificateAuthoritySet): string =>
  joinBundle([current, next, ...retired].map(({ certificate }) => certificate));

const readSlot = (data: SecretData, slot: string, faults: FieldError[]): CertificateAuthority => {
  const authority = { certificate: data[`${slot}.crt`] ?? '', key: data[`${slot}.key`] ?? '' };
  if (!isCertificateAuthority(authority)) {
    const expected = 'the PEM certificate of an authority, and the key that belongs to it';
    faults.push({ path: `${slot}.crt, ${slot}.key`, expected, got: 'something else (not shown)' });
  }
  return authority;
};
