import { isMapping, type Mapping } from '../schema/mapping.ts';
import { formatValue, type FieldError } from '../schema/field-error.ts';
import { escapeSegment, toJsonPointer } from './json-patch.ts';

/** Compares the values of one field. `undefined`: the field is absent. */
export type FieldComparison = (
  expected: unknown,
  actual: unknown,
  at: FieldLocation,
) => readonly FieldError[];

/** By pattern: a JSON pointer relative to the compared value; `*` is an element of a list. */
export type FieldComparisons = Readonly<Record<string, FieldComparison>>;

/** The field that is compared. */
export type FieldLocation = {
  /** Builds the JSON pointer in the pod: only a fault needs it. */
  readonly path: () => string;
  /** JSON pointer relative to the compared value, with `*` for elements. */
  readonly pattern: string;
  readonly comparisons: FieldComparisons;
};

/**
 * Compares what was found with what injection sets, field by field. Other fields must be absent,
 * unless a comparison for that field accepts them.
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

/** Accepts the API server's default for a field that injection does not set. */
export const allowDefault =
  (value: unknown): FieldComparison =>
  (expected, actual, at) =>
    expected === undefined && actual === value ? [] : compareStructure(expected, actual, at);

/** Accepts any of these values instead of the injected one. */
export const allowListedValues =
  (values: readonly unknown[]): FieldComparison =>
  (expected, actual, at) =>
    values.includes(actual) ? [] : compareStructure(expected, actual, at);

/**
 * Compares lists in any order. One member identifies an element and must be unique. Elements that
 * injection does not add must be accepted.
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
    const added = actual.flatMap((item, index) => {
      const isInjected = expected.some((each) => each[key] === item[key]);
      const isFirst = indexOf(item[key]) === index;
      if (isFirst && (isInjected || isAccepted(item))) return [];
      return [buildMismatch(undefined, item, toChildLocation(at, index, '*'))];
    });
    return [...found, ...added];
  };

/** A fault with the injected value and the value found. */
export const buildMismatch = (
  expected: unknown,
  actual: unknown,
  { path }: Pick<FieldLocation, 'path'>,
): FieldError => ({
  path: path(),
  expected: expected === undefined ? 'no value' : formatValue(expected),
  got: formatValue(actual),
});

const toChildLocation = (
  at: FieldLocation,
  segment: string | number,
  pattern: string,
): FieldLocation => ({
  path: () => `${at.path()}${toJsonPointer(segment)}`,
  pattern: `${at.pattern}/${escapeSegment(pattern)}`,
  comparisons: at.comparisons,
});

/** Go leaves empty strings out when it writes a pod, and may write null for an empty list. */
const isSame = (expected: unknown, actual: unknown): boolean => (expected ?? '') === (actual ?? '');

const isListOfMappings = (value: unknown): value is readonly Mapping[] =>
  Array.isArray(value) && value.every(isMapping);

const getOwnMember = (mapping: Mapping, name: string): unknown =>
  Object.hasOwn(mapping, name) ? mapping[name] : undefined;
