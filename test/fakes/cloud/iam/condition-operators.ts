import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { matchesWildcards } from './iam-wildcards.ts';

type StringTest = (actual: string, expected: string) => boolean;

/**
 * `negated` operators hold when no value matches, and when the key is absent; the others need a
 * key that is there (IAM User Guide, "IAM JSON policy elements: Condition operators").
 */
export type Operator = { readonly test: StringTest; readonly negated: boolean };

const createPositive = (test: StringTest): Operator => ({ test, negated: false });
const createNegated = (test: StringTest): Operator => ({ test, negated: true });

const isEqual: StringTest = (actual, expected) => actual === expected;
const isEqualIgnoringCase: StringTest = (actual, expected) =>
  actual.toLowerCase() === expected.toLowerCase();
const isLike: StringTest = (actual, expected) => matchesWildcards(expected, actual);

const compareNumbers =
  (holds: (actual: number, expected: number) => boolean): StringTest =>
  (actual, expected) =>
    holds(Number(actual), Number(expected));

/** Dates are ISO 8601 or seconds since the epoch. */
const toTime = (text: string): number =>
  /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
const compareTimes =
  (holds: (actual: number, expected: number) => boolean): StringTest =>
  (actual, expected) =>
    holds(toTime(actual), toTime(expected));

const isWithinBlock: StringTest = (actual, expected) => {
  const [network = '', prefix] = expected.split('/');
  const family = isIPv6(network) ? 'ipv6' : 'ipv4';
  if (family === 'ipv4' ? !isIPv4(actual) : !isIPv6(actual)) return false;
  const block = new BlockList();
  block.addSubnet(network, Number(prefix ?? (family === 'ipv4' ? 32 : 128)), family);
  return block.check(actual, family);
};

const buildOrderedOperators = (
  type: string,
  by: (holds: (actual: number, expected: number) => boolean) => StringTest,
): readonly (readonly [string, Operator])[] => [
  [`${type}Equals`, createPositive(by((actual, expected) => actual === expected))],
  [`${type}NotEquals`, createNegated(by((actual, expected) => actual === expected))],
  [`${type}LessThan`, createPositive(by((actual, expected) => actual < expected))],
  [`${type}LessThanEquals`, createPositive(by((actual, expected) => actual <= expected))],
  [`${type}GreaterThan`, createPositive(by((actual, expected) => actual > expected))],
  [`${type}GreaterThanEquals`, createPositive(by((actual, expected) => actual >= expected))],
];

/**
 * Every operator this cloud knows. `…IfExists` and `ForAnyValue:…` are left out on purpose: MinIO
 * refuses `BoolIfExists`, and what passes here should pass on each private cloud.
 */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['StringEquals', createPositive(isEqual)],
  ['StringNotEquals', createNegated(isEqual)],
  ['StringEqualsIgnoreCase', createPositive(isEqualIgnoringCase)],
  ['StringNotEqualsIgnoreCase', createNegated(isEqualIgnoringCase)],
  ['StringLike', createPositive(isLike)],
  ['StringNotLike', createNegated(isLike)],
  ['Bool', createPositive(isEqualIgnoringCase)],
  ['IpAddress', createPositive(isWithinBlock)],
  ['NotIpAddress', createNegated(isWithinBlock)],
  ...buildOrderedOperators('Numeric', compareNumbers),
  ...buildOrderedOperators('Date', compareTimes),
]);

/** What an operator's values must look like; the others take any text. */
export const isValidOperand = (operator: string, text: string): boolean => {
  if (operator.startsWith('Date')) return Number.isFinite(toTime(text));
  if (operator.startsWith('Numeric')) return text !== '' && Number.isFinite(Number(text));
  if (operator === 'Bool') return /^(true|false)$/i.test(text);
  if (operator.endsWith('IpAddress')) return isBlock(text);
  return true;
};

const isBlock = (text: string): boolean => {
  const [network = '', prefix, ...rest] = text.split('/');
  const longest = isIPv4(network) ? 32 : isIPv6(network) ? 128 : -1;
  if (longest < 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest);
};
