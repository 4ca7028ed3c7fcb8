/**
 * One thing that is wrong with an input. `path` names the culprit as its author wrote it
 * (`allow[0].actions[1]`, `/spec/hostPID`, `cloud.region`).
 */
export type FieldError = {
  readonly path: string;
  readonly expected: string;
  readonly got: string;
  /** The document that `path` stands in, when there are several: an annotation key, a file. */
  readonly source?: string;
  /** The rule that was broken, when rules have names. */
  readonly rule?: string;
};

/** A value, or every fault that kept it from being one. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly FieldError[] };

export const succeed = <T>(value: T): Result<T> => ({ ok: true, value });

export const fail = (faults: readonly FieldError[]): Result<never> => ({ ok: false, faults });

/**
 * One line for people: `<source> <path>: expected …, got … (rule …)`. A path is of its author's own
 * words, so that nothing invisible of it reaches a terminal.
 */
export const formatFieldError = ({ source, path, expected, got, rule }: FieldError): string => {
  const where = [source, path].filter(Boolean).join(' ');
  const byRule = rule === undefined ? '' : ` (rule ${rule})`;
  return escapeInvisible(`${where}: expected ${expected}, got ${got}${byRule}`);
};

/** Longest rendering of a foreign value in a fault. */
const MAX_VALUE_LENGTH = 80;

/** What is nested thousands deep has no rendering. */
const stringify = (value: unknown): string => {
  try {
    return JSON.stringify(value);
  } catch {
    return 'a value that cannot be shown';
  }
};

/**
 * Renders a foreign value for a fault: JSON, so that control characters are escaped, and short.
 * Bidirectional and other invisible characters are escaped too, since messages reach terminals.
 */
export const formatValue = (value: unknown): string => {
  const json = value === undefined ? 'nothing' : stringify(value);
  const short = json.length > MAX_VALUE_LENGTH ? `${json.slice(0, MAX_VALUE_LENGTH)}…` : json;
  return escapeInvisible(short);
};

/** One line that is safe in a header, a log and a terminal: what is not seen becomes `\u{…}`. */
export const escapeInvisible = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
