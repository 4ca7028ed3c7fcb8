const ELLIPSIS = '…';

/**
 * Truncates text for people to at most `max` characters, between words, and marks the end with `…`. A
 * word that fills more than half of the space is cut.
 */
export const truncateText = (text: string, max: number): string => {
  if (text.length <= max) return text;
  const kept = text.slice(0, max - ELLIPSIS.length - 1);
  const end = kept.search(/\s\S*$/);
  const whole = end > max / 2 ? kept.slice(0, end) : kept.toWellFormed();
  return `${whole.trimEnd()} ${ELLIPSIS}`;
};
