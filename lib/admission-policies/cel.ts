/** A piece of CEL, the API server's expression language. */
export type Cel = string;

/** JSON's notation of a string, or of a list of strings, is CEL's too. */
export const toCelLiteral = (value: string | readonly string[]): Cel => JSON.stringify(value);

/** One list of all of them. */
export const concatLists = (lists: readonly Cel[]): Cel =>
  lists.length === 0 ? '[]' : lists.join(' +\n');

/** The elements of a list that may be absent or, as Go writes some empty ones, null. */
export const buildElements = (list: Cel): Cel => {
  const members = list.split('.');
  const exists = members
    .slice(1)
    .map((_, index) => `has(${members.slice(0, index + 2).join('.')})`);
  return `(${[...exists, `dyn(${list}) != null`].join(' && ')} ? dyn(${list}) : dyn([]))`;
};

/** One breach in words: `path` and `got` are CEL strings, the rest is text. */
export type Violation = {
  readonly rule: string;
  readonly path: Cel;
  readonly expected: string;
  readonly got: Cel;
};

/** As a fault is described in TypeScript: `<path>: expected …, got … (rule …)`. */
export const formatViolation = ({ rule, path, expected, got }: Violation): Cel =>
  `${path} + ${toCelLiteral(`: expected ${expected}, got `)} + ${got} + ${toCelLiteral(` (rule ${rule})`)}`;

/** A list of one line where the test holds, an empty one elsewhere. */
export const buildViolationWhen = (test: Cel, breach: Violation): Cel =>
  `(${test} ? [${formatViolation(breach)}] : [])`;

/** Lines as one: a message of the API server has no line breaks. */
export const joinLines = (lines: Cel): Cel => `${lines}.join("; ")`;

/**
 * Text of strangers in a message: whatever has a control or an invisible character, or is long, is
 * not repeated.
 */
export const quoteText = (text: Cel): Cel =>
  `(${text}.matches("^[ -~]{0,80}$") ? "\\"" + ${text} + "\\"" : "a text that is not shown")`;

/** The API server takes no message over 5 KiB, and falls back on a less precise one. */
const MAX_MESSAGE_CHARACTERS = 4000;

/** All the lines of a list, as far as a message holds them. */
export const buildMessage = (lines: Cel): Cel => {
  const all = joinLines(lines);
  return `${all}.size() > ${MAX_MESSAGE_CHARACTERS} ? ${all}.substring(0, ${MAX_MESSAGE_CHARACTERS}) + "…" : ${all}`;
};
