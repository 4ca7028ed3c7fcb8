import { isMapping } from './mapping.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from './field-error.ts';

const invalid = Symbol('invalid');
export type Invalid = typeof invalid;

/**
 * Turns a foreign value into a `T`, or adds its errors to `faults` and returns {@link Invalid}. A reader
 * continues after an error, so that an author sees all of them at once.
 */
export type Reader<T> = (value: unknown, path: string, faults: FieldError[]) => T | Invalid;

/** A member that may be absent. `otherwise` is its default. */
export type Optional<T> = { readonly optional: Reader<T> };
export type Defaulted<T> = { readonly reader: Reader<T>; readonly otherwise: T };
type Member = Reader<unknown> | Optional<unknown> | Defaulted<unknown>;

type ReaderValue<M> =
  M extends Reader<infer T>
    ? T
    : M extends Optional<infer T>
      ? T
      : M extends Defaulted<infer T>
        ? T
        : never;
type OptionalNames<F> = { [K in keyof F]: F[K] extends Optional<unknown> ? K : never }[keyof F];
type Shape<F> = {
  readonly [K in Exclude<keyof F, OptionalNames<F>>]: Exclude<ReaderValue<F[K]>, Invalid>;
} & { readonly [K in OptionalNames<F>]?: Exclude<ReaderValue<F[K]>, Invalid> };

/** Runs a reader on a foreign value. @returns the value, or all errors */
export const read = <T>(reader: Reader<T>, value: unknown, path = ''): Result<T> => {
  const faults: FieldError[] = [];
  const result = reader(value, path, faults);
  return result === invalid || faults.length > 0 ? fail(faults) : succeed(result);
};

/** Adds one error about a value to `faults`. */
export const rejectValue = (
  faults: FieldError[],
  { path, expected, value }: { path: string; expected: string; value: unknown },
): Invalid => {
  faults.push({ path: path === '' ? '(root)' : path, expected, got: formatValue(value) });
  return invalid;
};

/** Reads a value that passes `accepts`; `expected` describes such a value. */
export const value =
  <T>(expected: string, accepts: (value: unknown) => value is T): Reader<T> =>
  (given, path, faults) =>
    accepts(given) ? given : rejectValue(faults, { path, expected, value: given });

export const boolean: Reader<boolean> = value('true or false', (v) => typeof v === 'boolean');

/** Reads a whole number from `min` to `max`. */
export const integer = ({ min, max }: { min: number; max: number }): Reader<number> =>
  value(
    `a whole number from ${min} to ${max}`,
    (v): v is number => Number.isInteger(v) && (v as number) >= min && (v as number) <= max,
  );

/** Reads a string that matches `pattern`, if there is one; `expected` describes such a string. */
export const string = (
  rule: { expected: string; pattern?: RegExp; maxLength?: number } = { expected: 'a string' },
): Reader<string> =>
  value(
    rule.expected,
    (v): v is string =>
      typeof v === 'string' &&
      v.length <= (rule.maxLength ?? Infinity) &&
      (rule.pattern?.test(v) ?? true),
  );

/** Reads one of the listed strings. */
export const stringEnum = <const T extends readonly string[]>(options: T): Reader<T[number]> =>
  value(`one of ${options.join(', ')}`, (v): v is T[number] => options.includes(v as string));

/** Checks what `reader` read. `check` returns what was expected, or nothing if the value is accepted. */
export const refine =
  <T>(reader: Reader<T>, check: (value: T) => string | undefined): Reader<T> =>
  (given, path, faults) => {
    const result = reader(given, path, faults);
    if (result === invalid) return invalid;
    const expected = check(result);
    return expected === undefined ? result : rejectValue(faults, { path, expected, value: given });
  };

/** Builds another value from what `reader` reads. */
export const transform =
  <T, R>(reader: Reader<T>, build: (value: T) => R): Reader<R> =>
  (given, path, faults) => {
    const result = reader(given, path, faults);
    return result === invalid ? invalid : build(result);
  };

/** A DNS label (RFC 1123, section 2.1): the name of a namespace or a container in Kubernetes. */
export const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const dnsLabel: Reader<string> = string({ expected: 'a DNS label', pattern: DNS_LABEL });

/** Reads a list, each element with `reader`. */
export const list =
  <T>(reader: Reader<T>, { min = 0, max = Infinity } = {}): Reader<readonly T[]> =>
  (given, path, faults) => {
    if (!Array.isArray(given) || given.length < min || given.length > max) {
      const amount = max === Infinity ? `at least ${min}` : `${min} to ${max}`;
      return rejectValue(faults, { path, expected: `a list of ${amount} elements`, value: given });
    }
    const results = given.map((element, index) => reader(element, `${path}[${index}]`, faults));
    return results.includes(invalid) ? invalid : (results as T[]);
  };

/** Reads a mapping with any keys that `name` accepts. */
export const record =
  <T>(name: Reader<string>, reader: Reader<T>): Reader<Record<string, T>> =>
  (given, path, faults) => {
    if (!isMapping(given))
      return rejectValue(faults, { path, expected: 'a mapping', value: given });
    const entries = Object.entries(given).map(([key, element]) => {
      const at = joinPath(path, key);
      const isNamed = name(key, at, faults) !== invalid;
      return [key, isNamed ? reader(element, at, faults) : invalid] as const;
    });
    return entries.some(([, result]) => result === invalid)
      ? invalid
      : (Object.fromEntries(entries) as Record<string, T>);
  };

/** Reads a mapping with these members; each other key is an error that lists them. */
export const object =
  <F extends Record<string, Member>>(members: F): Reader<Shape<F>> =>
  (given, path, faults) => {
    if (!isMapping(given))
      return rejectValue(faults, { path, expected: 'a mapping', value: given });
    const before = faults.length;
    const expected = `only ${Object.keys(members).join(', ')}`;
    for (const key of Object.keys(given)) {
      if (!Object.hasOwn(members, key)) {
        faults.push({ path: joinPath(path, key), expected, got: 'an unknown key' });
      }
    }
    const entries = Object.entries(members).flatMap(([key, member]) => {
      const present = Object.hasOwn(given, key) && given[key] !== undefined;
      const result = readMember(
        member,
        present ? given[key] : undefined,
        joinPath(path, key),
        faults,
      );
      return result === undefined ? [] : [[key, result] as const];
    });
    return faults.length > before ? invalid : (Object.fromEntries(entries) as Shape<F>);
  };

const readMember = (
  member: Member,
  given: unknown,
  path: string,
  faults: FieldError[],
): unknown => {
  if (typeof member === 'function') return member(given, path, faults);
  if ('optional' in member) {
    return given === undefined ? undefined : member.optional(given, path, faults);
  }
  return given === undefined ? member.otherwise : member.reader(given, path, faults);
};

const joinPath = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);
