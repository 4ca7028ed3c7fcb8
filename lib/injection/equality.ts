import { show, type Fault } from '../reading/fault.ts';
import { pointer } from './json-patch.ts';

/** What may differ at one place. `undefined` stands for what is not there. */
export type Comparison = (expected: unknown, actual: unknown, at: Place) => readonly Fault[];

/** By pattern: a JSON pointer below the compared value; `*` is one element of a list. */
export type Comparisons = Readonly<Record<string, Comparison>>;

/** Where a comparison stands. */
export type Place = {
  /** JSON pointer in the pod. */
  readonly path: string;
  /** JSON pointer below the compared value, elements as `*`. */
  readonly pattern: string;
  readonly comparisons: Comparisons;
};

/**
 * Holds what was found against what we set, field by field. A field that we do not set must not be
 * there, unless a comparison of its own accepts it.
 */
export const differences: Comparison = (expected, actual, at) => {
  const special = at.comparisons[at.pattern];
  return special === undefined ? byShape(expected, actual, at) : special(expected, actual, at);
};

const byShape: Comparison = (expected, actual, at) => {
  if (isMapping(expected) && isMapping(actual)) return byMember(expected, actual, at);
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return expected.flatMap((item, index) =>
      differences(item, actual[index], below(at, index, '*')),
    );
  }
  return isSame(expected, actual) ? [] : [unequal(expected, actual, at)];
};

const byMember = (expected: Mapping, actual: Mapping, at: Place): readonly Fault[] => {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names].flatMap((name) =>
    differences(own(expected, name), own(actual, name), below(at, name, name)),
  );
};

/** The field may be what the API server writes where nothing stands. */
export const byDefault =
  (value: unknown): Comparison =>
  (expected, actual, at) =>
    expected === undefined && actual === value ? [] : byShape(expected, actual, at);

/** The field may be any of these instead of ours. */
export const orOneOf =
  (values: readonly unknown[]): Comparison =>
  (expected, actual, at) =>
    values.includes(actual) ? [] : byShape(expected, actual, at);

/**
 * The list's order means nothing: its elements are told apart by one member, which none may repeat.
 * Elements beside ours must be accepted.
 */
export const byKey =
  (key: string, isAccepted: (item: Mapping) => boolean = () => false): Comparison =>
  (expected, actual, at) => {
    if (!isListOfMappings(expected) || !isListOfMappings(actual)) {
      return byShape(expected, actual, at);
    }
    const indexOf = (name: unknown) => actual.findIndex((item) => item[key] === name);
    const found = expected.flatMap((item) => {
      const index = indexOf(item[key]);
      const place = below(at, index === -1 ? String(item[key]) : index, '*');
      return differences(item, actual[index], place);
    });
    const strange = actual.flatMap((item, index) => {
      const isOurs = expected.some((each) => each[key] === item[key]);
      const isFirst = indexOf(item[key]) === index;
      if (isFirst && (isOurs || isAccepted(item))) return [];
      return [unequal(undefined, item, below(at, index, '*'))];
    });
    return [...found, ...strange];
  };

/** A fault that says what we set and what was found. */
export const unequal = (
  expected: unknown,
  actual: unknown,
  { path }: Pick<Place, 'path'>,
): Fault => ({
  path,
  expected: expected === undefined ? 'nothing here' : show(expected),
  got: show(actual),
});

const below = (at: Place, segment: string | number, pattern: string): Place => ({
  ...at,
  path: `${at.path}${pointer(segment)}`,
  pattern: `${at.pattern}${pointer(pattern)}`,
});

/** Go leaves empty strings out when it writes a pod, and may write null for an empty list. */
const isSame = (expected: unknown, actual: unknown): boolean => (expected ?? '') === (actual ?? '');

type Mapping = Readonly<Record<string, unknown>>;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isListOfMappings = (value: unknown): value is readonly Mapping[] =>
  Array.isArray(value) && value.every(isMapping);

const own = (mapping: Mapping, name: string): unknown =>
  Object.hasOwn(mapping, name) ? mapping[name] : undefined;
