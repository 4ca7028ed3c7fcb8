import { RE2JS } from 're2js';
import { DEFAULT_PARAM_MAX_LENGTH, type ParamRule, type Task } from '../contract/task.ts';
import type { Result } from '../schema/field-error.ts';
import { refine, object, read, rejectValue, string, type Reader } from '../schema/reader.ts';
import { boundedPattern, MAX_PARAM_LENGTH } from './pattern-size.ts';
import { convertText } from './hidden-characters.ts';
import { checkParamPlaces } from './param-places.ts';

/**
 * Printable ASCII without characters that are special in IAM or in resource patterns, and without those
 * that JSON escapes: the size of a policy must be known before the values are.
 */
const VALUE = /^[\x20-\x7e]+$/;
const FORBIDDEN = /[*?${}"\\]/;

/** Reads a pattern in RE2 syntax that is small enough to compile and run synchronously. */
const pattern: Reader<string> = refine(boundedPattern, (text) => checkPattern(text));

const checkPattern = (text: string): string | undefined => {
  try {
    RE2JS.compile(text);
    return undefined;
  } catch {
    return 'a pattern in RE2 syntax';
  }
};

const checkMatch = (text: string, value: string): string | undefined =>
  RE2JS.compile(text).matcher(value).matches() ? undefined : `text that matches ${text}`;

const maxLength: Reader<number> = convertText(
  `a whole number from 1 to ${MAX_PARAM_LENGTH}`,
  (text) => {
    const length = /^[1-9]\d{0,2}$/.test(text) ? Number(text) : Infinity;
    return length <= MAX_PARAM_LENGTH ? length : undefined;
  },
);

const ruleMapping: Reader<ParamRule> = object({
  pattern,
  maxLength: { reader: maxLength, otherwise: DEFAULT_PARAM_MAX_LENGTH },
});

/** Reads a declared param: `{pattern, maxLength}`, or only the pattern. */
export const paramRule: Reader<ParamRule> = (given, path, faults) =>
  ruleMapping(typeof given === 'string' ? { pattern: given } : given, path, faults);

/**
 * Checks the params of a run against those that its task declares. Each must be present, no other may
 * be, and the whole value must match the pattern. A value stays within the part of a resource of an Upstream
 * in which its placeholder is.
 *
 * @param given a foreign value; undefined: no params
 * @returns the values, or errors whose paths begin with `params`
 */
export const bindParams = (
  task: Pick<Task, 'params' | 'allow'>,
  given: unknown,
): Result<Readonly<Record<string, string>>> => {
  const members = Object.entries(task.params).map(
    ([name, rule]) => [name, createPlacedReader(name, rule, task.allow)] as const,
  );
  const wanted = members.length > 0 ? object(Object.fromEntries(members)) : noParams;
  return read<Readonly<Record<string, string>>>(wanted, given ?? {}, 'params');
};

const noParams: Reader<Readonly<Record<string, string>>> = (value, path, faults) =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0
    ? {}
    : rejectValue(faults, { path, expected: 'no params: this task declares none', value });

const createPlacedReader = (param: string, rule: ParamRule, allow: Task['allow']): Reader<string> =>
  refine(createValueReader(rule), (value) => checkParamPlaces(allow, { param, value }));

const createValueReader = ({ pattern: text, maxLength: limit }: ParamRule): Reader<string> =>
  refine(
    string({ expected: `text of 1 to ${limit} characters`, pattern: /^[^]+$/, maxLength: limit }),
    (value) => {
      if (!VALUE.test(value) || FORBIDDEN.test(value)) {
        return 'printable ASCII without * ? $ { } " and \\';
      }
      return checkPattern(text) ?? checkMatch(text, value);
    },
  );
