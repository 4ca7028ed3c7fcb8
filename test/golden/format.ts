import { createHash } from 'node:crypto';

/** A value up to this length is written on one line of a golden file. */
const MAX_LINE = 120;

/** Invisible characters must be seen in a difference. */
const toAscii = (json: string): string =>
  json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** JSON for a reader of diffs: what fits on one line stays on one line. */
export const formatGolden = (value: unknown, indent = ''): string => {
  const line = toAscii(JSON.stringify(value));
  if (line.length + indent.length <= MAX_LINE || typeof value !== 'object' || value === null) {
    return line;
  }
  const deeper = `${indent} `;
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const members = Array.isArray(value)
    ? value.map((each: unknown) => formatGolden(each, deeper))
    : Object.entries(value).map(
        ([name, each]) => `${toAscii(JSON.stringify(name))}: ${formatGolden(each, deeper)}`,
      );
  return `${open}\n${members.map((each) => deeper + each).join(',\n')}\n${indent}${close}`;
};

/** The value as it is read back: without members that are undefined. */
export const toJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;

/** SHA-256, hex, of a text, or of the JSON of any other value. */
export const digest = (value: unknown): string =>
  createHash('sha256')
    .update(typeof value === 'string' ? value : JSON.stringify(value))
    .digest('hex');
