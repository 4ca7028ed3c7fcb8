import { escapeInvisible } from '../../lib/schema/field-error.ts';

/** Output of a command, as text lines and as JSON. */
export type CommandResult = {
  /** Whether the command found no problems. */
  readonly isHealthy: boolean;
  /** Whether everything that it checked could be decided; absent: it could. */
  readonly isDecided?: boolean;
  readonly lines: readonly string[];
  readonly json: object;
};

export type Format = 'text' | 'json';

/** Renders a result; escapes every character that could control a terminal. */
export const renderResult = ({ lines, json }: CommandResult, format: Format): string =>
  format === 'json'
    ? `${escapeJson(JSON.stringify(json, null, 2))}\n`
    : lines.map((line) => `${escapeInvisible(line)}\n`).join('');

/** JSON.stringify escapes C0 control characters only; this escapes the invisible characters that remain. */
const escapeJson = (json: string): string =>
  json.replace(/[\p{Cf}\p{Cs}\u007f-\u009f\u2028\u2029]/gu, (character) =>
    Array.from({ length: character.length }, (_, at) =>
      escapeCodeUnit(character.charCodeAt(at)),
    ).join(''),
  );

const escapeCodeUnit = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;
