import { refine, string, type Reader } from '../schema/reader.ts';

/** Upper bound of a param's `maxLength`. */
export const MAX_PARAM_LENGTH = 256;
const MAX_PATTERN_LENGTH = 256;
/** Upper bound of the compiled pattern's steps: `a{256}` has 256. */
const MAX_PATTERN_SIZE = 1024;

/**
 * Reads a text that may be compiled as a pattern: short, and small when its repetitions are expanded.
 * Its syntax is checked in `params.ts` with the RE2 engine. The sidecar gets patterns that admission has
 * compiled before, and loads the engine only for a run with params.
 */
export const boundedPattern: Reader<string> = refine(
  string({
    expected: `a pattern of at most ${MAX_PATTERN_LENGTH} characters`,
    maxLength: MAX_PATTERN_LENGTH,
  }),
  (text) =>
    measurePattern(text) <= MAX_PATTERN_SIZE
      ? undefined
      : `a pattern whose counted repetitions expand to at most ${MAX_PATTERN_SIZE} steps`,
);

/** An upper bound of the length to which `x{n}` and `(…){n}` expand. */
const measurePattern = (text: string): number => {
  let [size, factor] = [text.length, 1];
  for (const [, before, min, max] of text.matchAll(/(.)\{(\d+)(?:,(\d*))?\}/gs)) {
    const count = Math.max(Number(min), Number(max ?? 0), 1);
    if (before === ')') factor *= count;
    else size += count;
  }
  return size * factor;
};
