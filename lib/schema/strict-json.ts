import { fail, succeed, type FieldError, type Result } from './field-error.ts';

export type StrictJsonOptions = {
  /** Objects and lists within each other. */
  readonly maxDepth: number;
  /**
   * Down to this depth, keys that differ only in case count as repeated: some decoders ignore case. The
   * outermost object has depth 1.
   */
  readonly foldCaseDepth: number;
};

/** A value of one byte may take a hundred bytes of memory, so that the size of a text does not limit it. */
export const MAX_JSON_VALUES = 250_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SEPARATORS = new Set(Buffer.from('{[,'));

/**
 * Whether a text has more values than {@link MAX_JSON_VALUES}. Each begins a list or an object, follows a
 * comma, or is the first in what was begun. Called before anything is parsed.
 */
const hasManyValues = (body: Uint8Array): boolean => {
  let count = 0;
  let isInString = false;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at] ?? 0;
    if (byte === QUOTE) isInString = !isInString;
    else if (isInString && byte === BACKSLASH) at += 1;
    else if (!isInString && SEPARATORS.has(byte)) count += 1;
    if (count > MAX_JSON_VALUES) return true;
  }
  return false;
};

/** A character that begins, ends or separates. */
const TOKEN = /["{}[\],]/g;

/** Step by step: a pattern for a whole string remembers each character of it. */
const findStringEnd = (text: string, start: number): number => {
  let at = start + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
};

/** Splits a text that is valid JSON into its strings, and what begins, ends or separates. */
const readTokens = function* (text: string): Generator<string> {
  const pattern = new RegExp(TOKEN);
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    const [token] = found;
    if (token === '"') pattern.lastIndex = findStringEnd(text, found.index);
    yield text.slice(found.index, pattern.lastIndex);
  }
};

type Level = { readonly keys: Set<string> | undefined; isKeyNext: boolean };

const error = (expected: string, got: string): FieldError => ({ path: '(root)', expected, got });

/** @returns the first fault of a text that is valid JSON */
const findFault = (
  text: string,
  { maxDepth, foldCaseDepth }: StrictJsonOptions,
): FieldError | undefined => {
  const levels: Level[] = [];
  for (const token of readTokens(text)) {
    const level = levels.at(-1);
    if (token === '{' || token === '[') {
      levels.push({ keys: token === '{' ? new Set() : undefined, isKeyNext: token === '{' });
      if (levels.length > maxDepth) return error(`at most ${maxDepth} levels`, 'more');
    } else if (token === '}' || token === ']') levels.pop();
    else if (token === ',' && level?.keys !== undefined) level.isKeyNext = true;
    else if (token.startsWith('"') && level?.keys !== undefined && level.isKeyNext) {
      const key = JSON.parse(token) as string;
      const name = levels.length <= foldCaseDepth ? key.toLowerCase() : key;
      if (level.keys.has(name)) return error('each key once', 'a repeated key');
      level.keys.add(name);
      level.isKeyNext = false;
    }
  }
  return undefined;
};

/**
 * Parses JSON (RFC 8259) of which every reader sees the same value: UTF-8, without repeated keys, and of at
 * most {@link MAX_JSON_VALUES} values.
 *
 * @returns an error without any text of the body
 */
export const parseStrictJson = (body: Uint8Array, options: StrictJsonOptions): Result<unknown> => {
  if (hasManyValues(body)) return fail([error(`at most ${MAX_JSON_VALUES} values`, 'more')]);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    const value: unknown = JSON.parse(text);
    const fault = findFault(text, options);
    return fault === undefined ? succeed(value) : fail([fault]);
  } catch {
    return fail([error('JSON in UTF-8', 'something else')]);
  }
};
