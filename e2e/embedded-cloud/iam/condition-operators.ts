import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { matchesWildcards } from './wildcards.ts';

type Test = (actual: string, expected: string) => boolean;

/**
 * `negated` operators hold when no value matches, and when the key is absent; the others need a
 * key that is there (IAM User Guide, "IAM JSON policy elements: Condition operators").
 */
export type Operator = { readonly test: Test; readonly negated: boolean };

const positive = (test: Test): Operator => ({ test, negated: false });
const negative = (test: Test): Operator => ({ test, negated: true });

const equal: Test = (actual, expected) => actual === expected;
const equalIgnoringCase: Test = (actual, expected) =>
  actual.toLowerCase() === expected.toLowerCase();
const like: Test = (actual, expected) => matchesWildcards(expected, actual);

const byNumber =
  (holds: (actual: number, expected: number) => boolean): Test =>
  (actual, expected) =>
    holds(Number(actual), Number(expected));

/** Dates are ISO 8601 or seconds since the epoch. */
const asTime = (text: string): number =>
  /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
const byTime =
  (holds: (actual: number, expected: number) => boolean): Test =>
  (actual, expected) =>
    holds(asTime(actual), asTime(expected));

const withinBlock: Test = (actual, expected) => {
  const [network = '', prefix] = expected.split('/');
  const family = isIPv6(network) ? 'ipv6' : 'ipv4';
  if (family === 'ipv4' ? !isIPv4(actual) : !isIPv6(actual)) return false;
  const block = new BlockList();
  block.addSubnet(network, Number(prefix ?? (family === 'ipv4' ? 32 : 128)), family);
  return block.check(actual, family);
};

const ordered = (
  type: string,
  by: (holds: (actual: number, expected: number) => boolean) => Test,
): readonly (readonly [string, Operator])[] => [
  [`${type}Equals`, positive(by((actual, expected) => actual === expected))],
  [`${type}NotEquals`, negative(by((actual, expected) => actual === expected))],
  [`${type}LessThan`, positive(by((actual, expected) => actual < expected))],
  [`${type}LessThanEquals`, positive(by((actual, expected) => actual <= expected))],
  [`${type}GreaterThan`, positive(by((actual, expected) => actual > expected))],
  [`${type}GreaterThanEquals`, positive(by((actual, expected) => actual >= expected))],
];

/**
 * Every operator this cloud knows. `…IfExists` and `ForAnyValue:…` are left out on purpose: MinIO
 * refuses `BoolIfExists`, and what passes here should pass on each private cloud.
 */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['StringEquals', positive(equal)],
  ['StringNotEquals', negative(equal)],
  ['StringEqualsIgnoreCase', positive(equalIgnoringCase)],
  ['StringNotEqualsIgnoreCase', negative(equalIgnoringCase)],
  ['StringLike', positive(like)],
  ['StringNotLike', negative(like)],
  ['Bool', positive(equalIgnoringCase)],
  ['IpAddress', positive(withinBlock)],
  ['NotIpAddress', negative(withinBlock)],
  ...ordered('Numeric', byNumber),
  ...ordered('Date', byTime),
]);

/** What an operator's values must look like; the others take any text. */
export const isValueOf = (operator: string, text: string): boolean => {
  if (operator.startsWith('Date')) return Number.isFinite(asTime(text));
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
