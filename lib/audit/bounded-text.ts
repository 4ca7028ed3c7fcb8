import { createHash } from 'node:crypto';

import { escapeInvisible } from '../schema/field-error.ts';

/** UTF-16 units of a foreign text that are looked at, before anything else is done to it. */
const MAX_READ = 4096;

/** A signed token or a private key has no business in a text; if one strays in, it stays out here. */
const SECRETS = /eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*|-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*/g;

/**
 * A foreign text for a record: one line, well-formed, without tokens, `max` characters at most. What
 * was cut off is stated by the text's length and SHA-256, so that nobody takes the rest for the whole.
 */
export const boundText = (text: string, max = 256): string => {
  const masked = escapeInvisible(text.slice(0, MAX_READ).replace(SECRETS, '[secret]'));
  const isWhole = text.length <= MAX_READ && masked.length <= max;
  return isWhole ? masked : `${masked.slice(0, max).toWellFormed()}${formatTruncation(text)}`;
};

/** Texts that together take at most `maxBytes` of JSON, and a last one that says what is left out. */
export const boundList = (texts: readonly string[], maxBytes: number): readonly string[] => {
  const kept = texts.slice(0, countWithin(texts, maxBytes)).map((text) => boundText(text));
  const left = texts.slice(kept.length);
  return left.length === 0
    ? kept
    : [...kept, `${left.length} more${formatTruncation(left.join('\n'))}`];
};

/** The same for a mapping; what is left out stands under the name `…`. */
export const boundMapping = (
  mapping: Readonly<Record<string, string>>,
  maxBytes: number,
): Readonly<Record<string, string>> => {
  const entries = Object.entries(mapping).map(
    ([name, text]) => [boundText(name, 64), boundText(text)] as const,
  );
  const pairs = entries.map(([name, text]) => `${name}:${text}`);
  const count = countWithin(pairs, maxBytes);
  const left = pairs.slice(count);
  const rest =
    left.length === 0 ? {} : { '…': `${left.length} more${formatTruncation(left.join('\n'))}` };
  return { ...Object.fromEntries(entries.slice(0, count)), ...rest };
};

/** How many texts, from the first on, fit into `maxBytes` once they are bounded and written as JSON. */
const countWithin = (texts: readonly string[], maxBytes: number): number => {
  let bytes = 0;
  const last = texts.findIndex((text) => {
    bytes += Buffer.byteLength(JSON.stringify(boundText(text))) + 1;
    return bytes > maxBytes;
  });
  return last === -1 ? texts.length : last;
};

const formatTruncation = (whole: string): string =>
  ` […${whole.length} characters, sha256 ${createHash('sha256').update(whole).digest('hex')}]`;
