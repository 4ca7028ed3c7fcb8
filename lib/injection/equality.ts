import { isMapping, type Mapping } from '../schema/mapping.ts';
import { formatValue, type FieldError } from '../schema/field-error.ts';
import { toJsonPointer } from './json-patch.ts';

/** What may differ at one place. `undefined` stands for what is not there. */
export type FieldComparison = (
  expected: unknown,
  actual: unknown,
  at: FieldLocation,
) => readonly FieldError[];

/** By pattern: a JSON pointer below the compared value; `*` is one element of a list. */
export type FieldComparisons = Readonly<Record<string, FieldComparison>>;

/** Where a comparison stands. */
export type FieldLocation = {
  /** JSON pointer in the pod. */
  readonly path: string;
  /** JSON pointer below the compared value, elements as `*`. */
  readonly pattern: string;
  readonly comparisons: FieldComparisons;
};

/**
 * Holds what was found against what we set, field by field. A field that we do not set must not be
 * there, unless a comparison of its own accepts it.
 */
export const findDifferences: FieldComparison = (expected, actual, at) => {
  const special = at.comparisons[at.pattern];
  return special === undefined
    ? compareStructure(expected, actual, at)
    : special(expected, actual, at);
};

const compareStructure: FieldComparison = (expected, actual, at) => {
  if (isMapping(expected) && isMapping(actual)) return compareMembers(expected, actual, at);
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return expected.flatMap((item, index) =>
      findDifferences(item, actual[index], toChildLocation(at, index, '*')),
    );
  }
  return isSame(expected, actual) ? [] : [buildMismatch(expected, actual, at)];
};

const compareMembers = (
  expected: Mapping,
  actual: Mapping,
  at: FieldLocation,
): readonly FieldError[] => {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names].flatMap((name) =>
    findDifferences(
      getOwnMember(expected, name),
      getOwnMember(actual, name),
      toChildLocation(at, name, name),
    ),
  );
};

/** The field may be what the API server writes where nothing stands. */
export const allowDefault =
  (value: unknown): FieldComparison =>
  (expected, actual, at) =>
    expected === undefined && actual === value ? [] : compareStructure(expected, actual, at);

/** The field may be any of these instead of ours. */
export const allowListedValues =
  (values: readonly unknown[]): FieldComparison =>
  (expected, actual, at) =>
    values.includes(actual) ? [] : compareStructure(expected, actual, at);

/**
 * The list's order means nothing: its elements are told apart by one member, which none may repeat.
 * Elements beside ours must be accepted.
 */
export const compareByKey =
  (key: string, isAccepted: (item: Mapping) => boolean = () => false): FieldComparison =>
  (expected, actual, at) => {
    if (!isListOfMappings(expected) || !isListOfMappings(actual)) {
      return compareStructure(expected, actual, at);
    }
    const indexOf = (name: unknown) => actual.findIndex((item) => item[key] === name);
    const found = expected.flatMap((item) => {
      const index = indexOf(item[key]);
      const place = toChildLocation(at, index === -1 ? String(item[key]) : index, '*');
      return findDifferences(item, actual[index], place);
    });
    const strange = actual.flatMap((item, index) => {
      const isOurs = expected.some((each) => each[key] === item[key]);
      const isFirst = indexOf(item[key]) === index;
      if (isFirst && (isOurs || isAccepted(item))) return [];
      return [buildMismatch(undefined, item, toChildLocation(at, index, '*'))];
    });
    return [...found, ...strange];
  };

/** A fault that says what we set and what was found. */
export const buildMismatch = (
  expected: unknown,
  actual: unknown,
  { path }: Pick<FieldLocation, 'path'>,
): FieldError => ({
  path,
  expected: expected === undefined ? 'nothing here' : formatValue(expected),
  got: formatValue(actual),
});

const toChildLocation = (
  at: FieldLocation,
  segment: string | number,
  pattern: string,
): FieldLocation => ({
  ...at,
  path: `${at.path}${toJsonPointer(segment)}`,
  pattern: `${at.pattern}${toJsonPointer(pattern)}`,
});

/** Go leaves empty strings out when it writes a pod, and may write null for an empty list. */
const isSame = (expected: unknown, actual: unknown): boolean => (expected ?? '') === (actual ?? '');

const isListOfMappings = (value: unknown): value is readonly Mapping[] =>
  Array.isArray(value) && value.every(isMapping);

const getOwnMember = (mapping: Mapping, name: string): unknown =>
  Object.hasOwn(mapping, name) ? mapping[name] : undefined;
