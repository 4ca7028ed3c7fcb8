import { escapeInvisible } from '../../lib/schema/field-error.ts';

/** What a color says: never alone, because terminals without colors and other formats have none. */
export type Color = 'red' | 'yellow' | 'green';

/** A line of output for people. */
export type TextLine = string | { readonly text: string; readonly color: Color };

const CODES: Readonly<Record<Color, string>> = {
  red: '\u001b[31m',
  yellow: '\u001b[33m',
  green: '\u001b[32m',
};
const RESET = '\u001b[0m';

/** Gives lines a color; without one they are returned as they are. */
export const colorLines = (
  lines: readonly string[],
  color: Color | undefined,
): readonly TextLine[] => (color === undefined ? lines : lines.map((text) => ({ text, color })));

/**
 * Renders a line and escapes every character of it that could control a terminal.
 *
 * @param hasColor whether the output is a terminal that shows colors
 */
export const renderLine = (line: TextLine, hasColor = false): string => {
  if (typeof line === 'string') return `${escapeInvisible(line)}\n`;
  const text = escapeInvisible(line.text);
  return hasColor ? `${CODES[line.color]}${text}${RESET}\n` : `${text}\n`;
};
