import { refine, string, type Reader } from '../schema/reader.ts';

/** The longest value that a param may be allowed. */
export const MAX_PARAM_LENGTH = 256;
const MAX_PATTERN_LENGTH = 256;
/** Steps of the compiled pattern, at most: `a{256}` has 256. */
const MAX_PATTERN_SIZE = 1024;

/**
 * Text that may be compiled as a pattern: short, and small when its repetitions are unfolded.
 * Whether it is one, the engine alone can say, and `params.ts` asks it: the sidecar, which is given
 * what admission has compiled before, loads the engine only for a run that brings params.
 */
export const boundedPattern: Reader<string> = refine(
  string({
    expected: `a pattern of at most ${MAX_PATTERN_LENGTH} characters`,
    maxLength: MAX_PATTERN_LENGTH,
  }),
  (text) =>
    measurePattern(text) <= MAX_PATTERN_SIZE
      ? undefined
      : `a pattern whose counted repetitions stay below ${MAX_PATTERN_SIZE} steps`,
);

/** An upper bound of what `x{n}` and `(…){n}` unfold to. */
const measurePattern = (text: string): number => {
  let [size, factor] = [text.length, 1];
  for (const [, before, min, max] of text.matchAll(/(.)\{(\d+)(?:,(\d*))?\}/gs)) {
    const count = Math.max(Number(min), Number(max ?? 0), 1);
    if (before === ')') factor *= count;
    else size += count;
  }
  return size * factor;
};
