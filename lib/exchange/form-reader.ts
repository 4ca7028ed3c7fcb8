import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { read, rejectValue, type Invalid, type Reader } from '../schema/reader.ts';

/**
 * Parses `application/x-www-form-urlencoded` (RFC 6749, section 3.2). A repeated field is an error,
 * also an unknown one; an empty value counts as absent; a field not in `names` is ignored.
 *
 * @param text limited in size by the caller
 * @param options.reader reads the fields as an object
 * @returns the fields, or all field errors
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

/** A hostile form could repeat thousands of fields. */
const MAX_REPEATED = 8;

const findRepeatedFields = (given: URLSearchParams): readonly FieldError[] => {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const name of given.keys()) {
    if (seen.has(name)) repeated.add(name);
    seen.add(name);
  }
  return [...repeated].slice(0, MAX_REPEATED).map((name) => ({
    path: formatFieldName(name),
    expected: 'this field once',
    got: 'it several times',
    code: 'repeated',
  }));
};

const formatFieldName = (name: string): string =>
  /^[\w-]{1,40}$/.test(name) ? name : formatValue(name);

/** A token's characters (RFC 7515, section 7.1). An error never shows the value. */
export const token: Reader<string> = (given, path, faults) =>
  typeof given === 'string' && TOKEN.test(given)
    ? given
    : rejectRedacted(faults, { path, expected: 'a JWT of at most 16 KiB', given });

const TOKEN = /^[\w.-]{1,16384}$/;

/** A field with one of these values. An error does not show another value: it could be a token. */
export const redactedEnum =
  <const T extends readonly string[]>(wanted: T): Reader<T[number]> =>
  (given, path, faults) =>
    wanted.find((each) => each === given) ??
    rejectRedacted(faults, { path, expected: wanted.join(' or '), given });

/** A field of this form. An error does not show another value. */
export const redactedText =
  (pattern: RegExp, expected: string): Reader<string> =>
  (given, path, faults) =>
    typeof given === 'string' && pattern.test(given)
      ? given
      : rejectRedacted(faults, { path, expected, given });

/** A field that must be absent. */
export const absent =
  (instead: string): Reader<undefined> =>
  (given, path, faults) =>
    rejectRedacted(faults, { path, expected: `no such field: ${instead}`, given });

const rejectRedacted = (
  faults: FieldError[],
  { path, expected, given }: { path: string; expected: string; given: unknown },
): Invalid => {
  faults.push(
    given === undefined
      ? { path, expected, got: 'nothing', code: 'missing' }
      : { path, expected, got: 'something else (not shown)' },
  );
  return rejectValue([], { path, expected, value: undefined });
};
