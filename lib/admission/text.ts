import { Buffer } from 'node:buffer';

const ELLIPSIS = '…';

/**
 * One line that is safe in a header, a log and a terminal: control, bidirectional and other
 * invisible characters become `\u{…}`.
 */
export const printable = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );

/** Cuts text to at most `max` bytes of UTF-8, never inside a character. */
export const limitBytes = (text: string, max: number): string => {
  if (Buffer.byteLength(text) <= max) return text;
  const room = max - Buffer.byteLength(ELLIPSIS);
  const cut = Buffer.from(text).subarray(0, room).toString();
  return `${cut.replace(/\uFFFD+$/u, '')}${ELLIPSIS}`;
};
