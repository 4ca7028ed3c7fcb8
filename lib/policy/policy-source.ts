import type { FieldError } from '../schema/field-error.ts';

/** Replaces comments by spaces, so that offsets do not change. */
export const blankComments = (text: string): string =>
  text.replace(STRING_OR_COMMENT, (token) =>
    token.startsWith('"') ? token : ' '.repeat(token.length),
  );

const STRING_OR_COMMENT = /"(?:[^"\\]|\\[^])*"|\/\/[^\n\r]*/g;

/** Converts an offset in UTF-8 bytes, as Cedar reports it. */
export const toCharacterOffset = (text: string, byte: number): number =>
  Buffer.from(text).subarray(0, byte).toString().length;

/** An error at one position of a text. */
export type PolicyFinding = {
  readonly offset: number;
  readonly expected: string;
  readonly got: string;
};

/**
 * Converts findings to errors in the order of the text. Their paths are `line <n>, column <n>`, both
 * from 1, in the Cedar text of the TaskPolicy.
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

/** Escapes and truncates a message of Cedar, which may quote the policy. */
export const escapeUnprintable = (message: string): string =>
  message
    .slice(0, MAX_MESSAGE_CHARACTERS)
    .replace(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
