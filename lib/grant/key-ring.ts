import { calculateJwkThumbprint } from 'jose';

import {
  readKeyAlgorithm,
  createCertifiedKey,
  isCertifiedKey,
  toJwkMembers,
  type CertifiedKey,
  type KeyAlgorithm,
} from '../certificate/key-certificate.ts';
import { fail, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { parseJson } from '../schema/json.ts';
import { integer, list, object, read, string } from '../schema/reader.ts';

/** The public part of a signing key. */
export type PublicKey = {
  /** JWK thumbprint, RFC 7638. */
  readonly kid: string;
  readonly algorithm: KeyAlgorithm;
  /** PEM; published as `x5c`. */
  readonly certificate: string;
};

/** A key that signs grants now or later. */
export type GrantKey = PublicKey & Pick<CertifiedKey, 'key'>;

/** A key that no longer signs; published until its last grant has expired. */
export type RetiredKey = PublicKey & { readonly until: number };

/** The keys in the Secret, without retired private keys. Times are milliseconds since the epoch. */
export type KeyRing = {
  readonly current: GrantKey;
  readonly next: GrantKey;
  readonly retired: readonly RetiredKey[];
  /** When `current` started to sign. */
  readonly promotedAt: number;
  /** When `next` starts to sign, on all replicas; absent: not scheduled. */
  readonly promoteAt?: number;
  /** Since when `next` is published; absent: it is not. */
  readonly publishedAt?: number;
  /** The last value of the taint annotation that was processed. */
  readonly taintDone: string;
  /** Tainted `kid`s, the newest last. */
  readonly tainted: readonly string[];
};

/** Decoded `data` of a Secret. */
type SecretData = Readonly<Record<string, string>>;

const STATE_KEY = 'state.json';
const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const state = object({
  promotedAt: time,
  promoteAt: { optional: time },
  publishedAt: { optional: time },
  taintDone: string(),
  tainted: list(string()),
  retired: list(object({ certificate: string(), until: time })),
});

/** Generates a key. */
export const createGrantKey = async (algorithm: KeyAlgorithm, now: number): Promise<GrantKey> => {
  const { key, certificate } = await createCertifiedKey(algorithm, now);
  return { key, ...(await toPublicKey(certificate)) };
};

/** Reads the data of the Secret. Field errors name its keys and never contain a value. */
export const readKeyRing = async (data: SecretData): Promise<Result<KeyRing>> => {
  const rest = read(state, parseJson(data[STATE_KEY] ?? ''), STATE_KEY);
  const slots = ['current', 'next'].filter((slot) => !isCertifiedKey(getKeyPair(data, slot)));
  const faults = [...slots.map(buildSlotError), ...(rest.ok ? [] : rest.faults)];
  if (!rest.ok || faults.length > 0) return fail(faults);
  try {
    const [current, next] = await Promise.all([readSlot(data, 'current'), readSlot(data, 'next')]);
    const retired = await Promise.all(
      rest.value.retired.map(async (one) => ({
        until: one.until,
        ...(await toPublicKey(one.certificate)),
      })),
    );
    return succeed({ ...rest.value, current, next, retired });
  } catch {
    return fail([{ path: STATE_KEY, expected: 'certificates', got: 'something else (not shown)' }]);
  }
};

/** Writes the data of the Secret; the inverse of {@link readKeyRing}. */
export const writeKeyRing = ({ current, next, retired, ...rest }: KeyRing): SecretData => ({
  'current.crt': current.certificate,
  'current.key': current.key,
  'next.crt': next.certificate,
  'next.key': next.key,
  [STATE_KEY]: JSON.stringify({
    ...rest,
    retired: retired.map(({ certificate, until }) => ({ certificate, until })),
  }),
});

const getKeyPair = (data: SecretData, slot: string): CertifiedKey => ({
  certificate: data[`${slot}.crt`] ?? '',
  key: data[`${slot}.key`] ?? '',
});

const readSlot = async (data: SecretData, slot: string): Promise<GrantKey> => {
  const { key, certificate } = getKeyPair(data, slot);
  return { key, ...(await toPublicKey(certificate)) };
};

const toPublicKey = async (certificate: string): Promise<PublicKey> => {
  const algorithm = readKeyAlgorithm(certificate);
  if (algorithm === undefined) throw new Error('expected a certificate of an ES256 or RS256 key');
  const kid = await calculateJwkThumbprint(toJwkMembers(certificate).key);
  return { kid, algorithm, certificate };
};

const buildSlotError = (slot: string): FieldError => ({
  path: `${slot}.crt, ${slot}.key`,
  expected: 'a PEM key of ES256 or RS256, and the certificate that it signed over itself',
  got: 'something else (not shown)',
});
