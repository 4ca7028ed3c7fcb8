import { Document, visit } from 'yaml';

import { renderLine, type TextLine } from './text-line.ts';

/** Output of a command, as text lines and as an object for programs. */
export type CommandResult = {
  /** Whether the command found no problems. */
  readonly isHealthy: boolean;
  /** Whether everything that it checked could be decided; absent: it could. */
  readonly isDecided?: boolean;
  readonly lines: readonly TextLine[];
  readonly json: object;
  /** As SARIF, for a command that offers it. */
  readonly sarif?: object;
};

export type Format = 'text' | 'json' | 'yaml' | 'sarif';

/**
 * Renders a result; escapes every character that could control a terminal.
 *
 * @param options.hasColor whether text has colors
 */
export const renderResult = (
  { lines, json, sarif = json }: CommandResult,
  format: Format,
  { hasColor }: { readonly hasColor?: boolean | undefined } = {},
): string => {
  switch (format) {
    case 'text':
      return lines.map((line) => renderLine(line, hasColor)).join('');
    case 'json':
      return renderJson(json);
    case 'sarif':
      return renderJson(sarif);
    case 'yaml':
      return renderYaml(json);
  }
};

const renderJson = (value: object): string => `${escapeJson(JSON.stringify(value, null, 2))}\n`;

/** Through JSON, so that both formats have the same members. A text with special characters is quoted. */
const renderYaml = (value: object): string => {
  const document = new Document(JSON.parse(JSON.stringify(value)), {
    aliasDuplicateObjects: false,
  });
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'string' && /[^\x20-\x7e]/.test(node.value))
        node.type = 'QUOTE_DOUBLE';
    },
  });
  return document.toString({ lineWidth: 0 }).replace(INVISIBLE, escapeForYaml);
};

/** YAML, unlike JSON, has no pairs of escapes for one character. */
const escapeForYaml = (character: string): string =>
  character.length === 1
    ? escapeCodeUnit(character.charCodeAt(0))
    : `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;

const INVISIBLE = /[\p{Cf}\p{Cs}\u007f-\u009f\u2028\u2029]/gu;

/** JSON.stringify escapes C0 control characters only; this escapes the invisible characters that remain. */
const escapeJson = (json: string): string =>
  json.replace(INVISIBLE, (character) =>
    Array.from({ length: character.length }, (_, at) =>
      escapeCodeUnit(character.charCodeAt(at)),
    ).join(''),
  );

const escapeCodeUnit = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;
