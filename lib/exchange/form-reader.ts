import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { read, rejectValue, type Invalid, type Reader } from '../schema/reader.ts';

/**
 * Reads `application/x-www-form-urlencoded` as `reader`, an object, would read its fields. What is
 * given twice is a fault, also a field that nobody knows; an empty value counts as none; and what is
 * not among `names` is ignored (RFC 6749, section 3.2).
 *
 * @param text bounded by whoever received it
 * @returns the fields, or every fault at once
 */
export const readForm = <T>(
  text: string,
  { names, reader }: { readonly names: readonly string[]; readonly reader: Reader<T> },
): Result<T> => {
  const given = new URLSearchParams(text);
  const fields = names.flatMap((name) => {
    const value = given.get(name) ?? '';
    return value === '' ? [] : [[name, value] as const];
  });
  const result = read(reader, Object.fromEntries(fields));
  const faults = [...findRepeatedFields(given), ...(result.ok ? [] : result.faults)];
  return result.ok && faults.length === 0 ? succeed(result.value) : fail(faults);
};

/** What is expected of a field that is given several times. */
export const ONCE = 'this field once';

/** A hostile form repeats thousands; nobody reads more than these. */
const MAX_REPEATED = 8;

const findRepeatedFields = (given: URLSearchParams): readonly FieldError[] => {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const name of given.keys()) {
    if (seen.has(name)) repeated.add(name);
    seen.add(name);
  }
  return [...repeated]
    .slice(0, MAX_REPEATED)
    .map((name) => ({ path: formatFieldName(name), expected: ONCE, got: 'it several times' }));
};

const formatFieldName = (name: string): string =>
  /^[\w-]{1,40}$/.test(name) ? name : formatValue(name);

/** A token's characters (RFC 7515, section 7.1). What was got is never shown. */
export const token: Reader<string> = (given, path, faults) =>
  typeof given === 'string' && TOKEN.test(given)
    ? given
    : rejectRedacted(faults, { path, expected: 'a JWT of at most 16 KiB', given });

const TOKEN = /^[\w.-]{1,16384}$/;

/** A field that says one of these. Anything else is not shown: it could be a token, misplaced. */
export const redactedEnum =
  <const T extends readonly string[]>(wanted: T): Reader<T[number]> =>
  (given, path, faults) =>
    wanted.find((each) => each === given) ??
    rejectRedacted(faults, { path, expected: wanted.join(' or '), given });

/** A field that must not be there. */
export const absent =
  (instead: string): Reader<undefined> =>
  (given, path, faults) =>
    rejectRedacted(faults, { path, expected: `no such field: ${instead}`, given });

const rejectRedacted = (
  faults: FieldError[],
  { path, expected, given }: { path: string; expected: string; given: unknown },
): Invalid => {
  const got = given === undefined ? 'nothing' : 'something else (not shown)';
  faults.push({ path, expected, got });
  return rejectValue([], { path, expected, value: undefined });
};
