import { Buffer } from 'node:buffer';

const ELLIPSIS = '…';

/** Cuts text to at most `max` bytes of UTF-8, never inside a character. */
export const truncateBytes = (text: string, max: number): string => {
  if (Buffer.byteLength(text) <= max) return text;
  const maxTextBytes = max - Buffer.byteLength(ELLIPSIS);
  const cut = Buffer.from(text).subarray(0, maxTextBytes).toString();
  return `${cut.replace(/\uFFFD+$/u, '')}${ELLIPSIS}`;
};
