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
import { integer, list, object, read, string } from '../schema/reader.ts';

/** A key as everybody may know it. */
export type PublicKey = {
  /** JWK thumbprint, RFC 7638. */
  readonly kid: string;
  readonly algorithm: KeyAlgorithm;
  /** PEM; what `x5c` carries. */
  readonly certificate: string;
};

/** A key that signs grants, or will. */
export type GrantKey = PublicKey & Pick<CertifiedKey, 'key'>;

/** A key that signs no more, published until the last grant that it signed is dead. */
export type RetiredKey = PublicKey & { readonly until: number };

/**
 * What the Secret holds; its old private keys are gone. Times are milliseconds since the epoch.
 */
export type KeyRing = {
  readonly current: GrantKey;
  readonly next: GrantKey;
  readonly retired: readonly RetiredKey[];
  /** When `current` began to sign. */
  readonly promotedAt: number;
  /** From when on `next` signs, on every replica at once; absent: not yet decided. */
  readonly promoteAt?: number;
  /** Since when `next` has been seen where the cloud looks; absent: it is not. */
  readonly publishedAt?: number;
  /** The last value of the taint annotation that was acted upon. */
  readonly taintDone: string;
  /** `kid`s that were tainted, the newest last. */
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

/** Makes a new key. */
export const createGrantKey = async (algorithm: KeyAlgorithm, now: number): Promise<GrantKey> => {
  const { key, certificate } = await createCertifiedKey(algorithm, now);
  return { key, ...(await toPublicKey(certificate)) };
};

/** Reads the Secret's data; faults name its keys and never show a value. */
export const readKeyRing = async (data: SecretData): Promise<Result<KeyRing>> => {
  const rest = read(state, parseJson(data[STATE_KEY]), STATE_KEY);
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

/** The Secret's data; the inverse of {@link readKeyRing}. */
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
  if (algorithm === undefined) throw new Error('the certificate of a key that we do not use');
  const kid = await calculateJwkThumbprint(toJwkMembers(certificate).key);
  return { kid, algorithm, certificate };
};

const buildSlotError = (slot: string): FieldError => ({
  path: `${slot}.crt, ${slot}.key`,
  expected: 'a PEM key of ES256 or RS256, and the certificate that it signed over itself',
  got: 'something else (not shown)',
});

const parseJson = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
};
