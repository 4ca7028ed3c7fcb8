import { RE2JS } from 're2js';
import { DEFAULT_PARAM_MAX_LENGTH, type ParamRule, type Task } from '../contract/task.ts';
import type { Result } from '../reading/fault.ts';
import { checked, object, read, refuse, string, type Reader } from '../reading/reader.ts';
import { converted } from './text.ts';

export const MAX_PARAM_LENGTH = 256;
const MAX_PATTERN_LENGTH = 256;
/** Steps of the compiled pattern, at most: `a{256}` has 256. */
const MAX_PATTERN_SIZE = 1024;

/**
 * Printable ASCII, less what IAM or our own patterns would read as more than itself, and less what
 * JSON would write as two characters: the size of a policy is known before its values are.
 */
const VALUE = /^[\x20-\x7e]+$/;
const FORBIDDEN = /[*?${}"\\]/;

/** A pattern in RE2's syntax, small enough to compile and run at once. */
export const pattern: Reader<string> = checked(
  string({
    expected: `a pattern of at most ${MAX_PATTERN_LENGTH} characters`,
    maxLength: MAX_PATTERN_LENGTH,
  }),
  (text) =>
    measurePattern(text) <= MAX_PATTERN_SIZE
      ? explainPattern(text)
      : `a pattern whose counted repetitions stay below ${MAX_PATTERN_SIZE} steps`,
);

/** An upper bound of what `x{n}` and `(…){n}` unfold to. */
const measurePattern = (text: string): number => {
  let [size, factor] = [text.length, 1];
  for (const [, before, min, max] of text.matchAll(/(.)\{(\d+)(?:,(\d*))?\}/gs)) {
    const count = Math.max(Number(min), Number(max ?? 0), 1);
    if (before === ')') factor *= count;
    else size += count;
  }
  return size * factor;
};

const explainPattern = (text: string): string | undefined => {
  try {
    RE2JS.compile(text);
    return undefined;
  } catch {
    return 'a pattern in RE2 syntax';
  }
};

const maxLength: Reader<number> = converted(
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

/** A declared param: `{pattern, maxLength}`, or the pattern alone. */
export const paramRule: Reader<ParamRule> = (given, path, faults) =>
  ruleMapping(typeof given === 'string' ? { pattern: given } : given, path, faults);

/**
 * Binds what a caller gave to a task's params: each of them and no other, its whole value matching.
 *
 * @param given foreign; nothing at all is no params
 * @returns the values, or faults whose paths begin with `params`
 */
export const bindParams = (
  task: Pick<Task, 'params'>,
  given: unknown,
): Result<Readonly<Record<string, string>>> => {
  const members = Object.entries(task.params).map(([name, rule]) => [name, valueOf(rule)] as const);
  const wanted = members.length > 0 ? object(Object.fromEntries(members)) : noParams;
  return read<Readonly<Record<string, string>>>(wanted, given ?? {}, 'params');
};

const noParams: Reader<Readonly<Record<string, string>>> = (value, path, faults) =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0
    ? {}
    : refuse(faults, { path, expected: 'no params: this task declares none', value });

const valueOf = ({ pattern: text, maxLength: limit }: ParamRule): Reader<string> =>
  checked(
    string({ expected: `text of 1 to ${limit} characters`, pattern: /^[^]+$/, maxLength: limit }),
    (value) => {
      if (!VALUE.test(value) || FORBIDDEN.test(value)) {
        return 'printable ASCII without * ? $ { } " and \\';
      }
      return RE2JS.compile(text).matcher(value).matches() ? undefined : `text that matches ${text}`;
    },
  );
