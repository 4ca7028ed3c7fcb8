import type { FieldError } from '../schema/field-error.ts';

/** The text without its comments: every character that stays keeps its offset. */
export const blankComments = (text: string): string =>
  text.replace(STRING_OR_COMMENT, (token) =>
    token.startsWith('"') ? token : ' '.repeat(token.length),
  );

const STRING_OR_COMMENT = /"(?:[^"\\]|\\[^])*"|\/\/[^\n\r]*/g;

/** Cedar counts in bytes of UTF-8. */
export const toCharacterOffset = (text: string, byte: number): number =>
  Buffer.from(text).subarray(0, byte).toString().length;

/** What is wrong at one place of a text. */
export type PolicyFinding = {
  readonly offset: number;
  readonly expected: string;
  readonly got: string;
};

/**
 * Faults in the order of the text; the path of each is `line <n>, column <n>`, both from 1, of a
 * TaskPolicy's Cedar.
 */
export const toFieldErrors = (
  { name, cedar }: { readonly name: string; readonly cedar: string },
  findings: readonly PolicyFinding[],
): readonly FieldError[] =>
  findings
    .toSorted((one, other) => one.offset - other.offset || (one.got < other.got ? -1 : 1))
    .map(({ offset, expected, got }) => {
      const before = cedar.slice(0, offset).split('\n');
      const path = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
      return { source: `TaskPolicy ${name}`, path, expected, got };
    });

const MAX_MESSAGE_CHARACTERS = 400;

/** Cedar's words for people; they quote the policy, so whatever does not print is escaped. */
export const escapeUnprintable = (message: string): string =>
  message
    .slice(0, MAX_MESSAGE_CHARACTERS)
    .replace(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
