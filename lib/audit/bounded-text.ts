import { createHash } from 'node:crypto';

import { escapeInvisible } from '../schema/field-error.ts';

/** UTF-16 units of an untrusted text that are read. */
const MAX_READ = 4096;

/** Signed tokens and private keys are removed if a text contains one by mistake. */
const SECRETS = /eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*|-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*/g;

/**
 * Converts an untrusted text for a record: one line, well-formed, without tokens, at most `max`
 * characters. A truncated text ends with its full length and SHA-256, so that it is not mistaken for
 * the whole.
 */
export const boundText = (text: string, max = 256): string => {
  const masked = escapeInvisible(text.slice(0, MAX_READ).replace(SECRETS, '[secret]'));
  const isWhole = text.length <= MAX_READ && masked.length <= max;
  return isWhole ? masked : `${masked.slice(0, max).toWellFormed()}${formatTruncation(text)}`;
};

/**
 * Limits texts to `maxBytes` of JSON, and each to `max` characters; a last entry states what was omitted.
 */
export const boundList = (
  texts: readonly string[],
  maxBytes: number,
  max?: number,
): readonly string[] => {
  const kept = texts
    .slice(0, countWithin(texts, maxBytes, max))
    .map((text) => boundText(text, max));
  const left = texts.slice(kept.length);
  return left.length === 0
    ? kept
    : [...kept, `${left.length} more${formatTruncation(left.join('\n'))}`];
};

/** Limits a mapping in the same way; the entry `…` states what was omitted. */
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

/** Number of texts, from the first, that fit into `maxBytes` when bounded and encoded as JSON. */
const countWithin = (texts: readonly string[], maxBytes: number, max?: number): number => {
  let bytes = 0;
  const last = texts.findIndex((text) => {
    bytes += Buffer.byteLength(JSON.stringify(boundText(text, max))) + 1;
    return bytes > maxBytes;
  });
  return last === -1 ? texts.length : last;
};

const formatTruncation = (whole: string): string =>
  ` […${whole.length} characters, sha256 ${createHash('sha256').update(whole).digest('hex')}]`;
