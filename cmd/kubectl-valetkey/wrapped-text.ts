const INDENT = '    ';
/** Below this a terminal is too narrow for an indent to help. */
const MIN_WIDTH = 40;

/**
 * Wraps a line between words; continuations are indented. A longer word keeps its line.
 *
 * @param width columns of the terminal; undefined: no terminal, so the line stays whole for programs
 */
export const wrapLine = (line: string, width: number | undefined): readonly string[] => {
  if (width === undefined || width < MIN_WIDTH || line.length <= width) return [line];
  const wrapped: string[] = [];
  let current = '';
  for (const word of line.split(' ')) {
    const longer = current === '' ? word : `${current} ${word}`;
    if (longer.length > width && current.trim() !== '') {
      wrapped.push(current);
      current = `${INDENT}${word}`;
    } else {
      current = longer;
    }
  }
  return [...wrapped, current];
};
