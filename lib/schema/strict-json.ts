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

/** A string, or a character that begins, ends or separates. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

type Level = { readonly keys: Set<string> | undefined; isKeyNext: boolean };

const error = (expected: string, got: string): FieldError => ({ path: '(root)', expected, got });

/** @returns the first fault of a text that is valid JSON */
const findFault = (
  text: string,
  { maxDepth, foldCaseDepth }: StrictJsonOptions,
): FieldError | undefined => {
  const levels: Level[] = [];
  for (const [token] of text.matchAll(TOKEN)) {
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
 * Parses JSON (RFC 8259) of which every reader sees the same value: UTF-8, without repeated keys.
 *
 * @returns an error without any text of the body
 */
export const parseStrictJson = (body: Uint8Array, options: StrictJsonOptions): Result<unknown> => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    const value: unknown = JSON.parse(text);
    const fault = findFault(text, options);
    return fault === undefined ? succeed(value) : fail([fault]);
  } catch {
    return fail([error('JSON in UTF-8', 'something else')]);
  }
};
