/**
 * One error in an input. `path` names the field as its author wrote it (`allow[0].actions[1]`,
 * `/spec/hostPID`, `cloud.region`).
 */
export type FieldError = {
  readonly path: string;
  readonly expected: string;
  readonly got: string;
  /** The document that contains `path`, if there are several: an annotation key, a file. */
  readonly source?: string;
  /** The violated rule, if rules have names. */
  readonly rule?: string;
  /** For code that distinguishes kinds of errors, because texts may change. */
  readonly code?: FieldErrorCode;
  /** What probably caused the error and which setting ends it. A list of errors shows it once. */
  readonly hint?: string;
};

/**
 * `missing`: there is no value. `repeated`: the field occurs several times. `other_cloud`: an identity of
 * Azure or Google. `foreign_key`: a key of a service that is no cloud. `reserved_variable`: a variable that only injection sets.
 */
export type FieldErrorCode =
  'missing' | 'repeated' | 'other_cloud' | 'foreign_key' | 'reserved_variable';

/** What is expected instead of a value, and the code of its error, if it has one. */
export type Expectation = Pick<FieldError, 'expected' | 'code'>;

/** A value, or all errors of the input. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly FieldError[] };

export const succeed = <T>(value: T): Result<T> => ({ ok: true, value });

export const fail = (faults: readonly FieldError[]): Result<never> => ({ ok: false, faults });

/**
 * Formats one line: `<source> <path>: expected …, got … (rule …)`. Invisible characters are escaped,
 * because the author of the input chooses the path and the line may reach a terminal.
 */
export const formatFieldError = ({ source, path, expected, got, rule }: FieldError): string => {
  const where = [source, path].filter(Boolean).join(' ');
  const byRule = rule === undefined ? '' : ` (rule ${rule})`;
  return escapeInvisible(`${where}: expected ${expected}, got ${got}${byRule}`);
};

/** The same line, with the hint at its end. */
export const formatWithHint = (fault: FieldError): string => {
  const line = formatFieldError(fault);
  return fault.hint === undefined ? line : `${line}: ${escapeInvisible(fault.hint)}`;
};

/** Characters of a formatted value. */
const MAX_VALUE_LENGTH = 80;

/** JSON, which fails for a value that is nested thousands of levels deep. */
const stringify = (value: unknown): string => {
  try {
    return JSON.stringify(value);
  } catch {
    return 'a value that cannot be displayed';
  }
};

/**
 * Formats a foreign value for an error: JSON, truncated. Control, bidirectional and other invisible
 * characters are escaped, because messages reach terminals.
 */
export const formatValue = (value: unknown): string => {
  const json = value === undefined ? 'nothing' : stringify(value);
  const short = json.length > MAX_VALUE_LENGTH ? `${json.slice(0, MAX_VALUE_LENGTH)}…` : json;
  return escapeInvisible(short);
};

/**
 * Escapes invisible characters as `\u{…}`: the result is one line, safe in headers, logs and terminals. Fillers
 * and joiners (Default_Ignorable_Code_Point) and the blank Braille pattern are among them.
 */
export const escapeInvisible = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{DI}\u2028\u2029\u2800]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
