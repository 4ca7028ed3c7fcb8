import { escapeInvisible } from '../../lib/schema/field-error.ts';

/** What a command found: for people, and for programs. */
export type CommandResult = {
  /** Nothing is wrong with what it was asked about. */
  readonly isHealthy: boolean;
  readonly lines: readonly string[];
  readonly json: object;
};

export type Format = 'text' | 'json';

/** Text with every character that could steer a terminal written out. */
export const renderResult = ({ lines, json }: CommandResult, format: Format): string =>
  format === 'json'
    ? `${escapeJson(JSON.stringify(json, null, 2))}\n`
    : lines.map((line) => `${escapeInvisible(line)}\n`).join('');

/** JSON escapes control characters itself; those that only look like nothing, it does not. */
const escapeJson = (json: string): string =>
  json.replace(/[\p{Cf}\p{Cs}\u007f-\u009f\u2028\u2029]/gu, (character) =>
    Array.from({ length: character.length }, (_, at) =>
      escapeCodeUnit(character.charCodeAt(at)),
    ).join(''),
  );

const escapeCodeUnit = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;
