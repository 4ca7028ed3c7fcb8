import { fail, succeed, type Fault, type Result } from '../reading/fault.ts';
import { integer, list, object, read, string } from '../reading/reader.ts';
import { isAuthority, type Authority } from './authority.ts';
import { joinBundle } from './bundle.ts';

/** An authority that signs no more, trusted until the last leaf it signed is dead. */
type Retired = { readonly certificate: string; readonly until: number };

/**
 * What the Secret holds. `current` signs; `next` is published in the `caBundle`s long before it
 * signs anything; `retired` are trusted still. Times are milliseconds since the epoch.
 */
export type Authorities = {
  readonly current: Authority;
  readonly next: Authority;
  readonly retired: readonly Retired[];
  /** When `current` began to sign. */
  readonly promotedAt: number;
  /** When `next` was first seen in every live `caBundle`; absent: not yet. */
  readonly publishedAt?: number;
  /** The last value of the rotation annotation that was acted upon. */
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

/** Reads the Secret's data; faults name the key and never show a value. */
export const readAuthorities = (data: SecretData): Result<Authorities> => {
  const faults: Fault[] = [];
  const current = readSlot(data, 'current', faults);
  const next = readSlot(data, 'next', faults);
  const rest = read(state, parseJson(data[STATE_KEY]), STATE_KEY);
  if (!rest.ok || faults.length > 0) return fail([...faults, ...(rest.ok ? [] : rest.faults)]);
  return succeed({ current, next, ...rest.value });
};

/** The Secret's data; the inverse of {@link readAuthorities}. */
export const writeAuthorities = ({ current, next, ...rest }: Authorities): SecretData => ({
  'current.crt': current.certificate,
  'current.key': current.key,
  'next.crt': next.certificate,
  'next.key': next.key,
  [STATE_KEY]: JSON.stringify(rest),
});

/** What both webhook configurations' `caBundle`s should say, PEM. */
export const bundleOf = ({ current, next, retired }: Authorities): string =>
  joinBundle([current, next, ...retired].map(({ certificate }) => certificate));

const readSlot = (data: SecretData, slot: string, faults: Fault[]): Authority => {
  const authority = { certificate: data[`${slot}.crt`] ?? '', key: data[`${slot}.key`] ?? '' };
  if (!isAuthority(authority)) {
    const expected = 'the PEM certificate of an authority, and the key that belongs to it';
    faults.push({ path: `${slot}.crt, ${slot}.key`, expected, got: 'something else (not shown)' });
  }
  return authority;
};

const parseJson = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
};
