import { describe, expect, it } from '@jest/globals';
import { readGolden } from './files.ts';
import { toJson } from './format.ts';
import { SECTIONS } from './sections.ts';

/** On a busy machine; each takes less than two seconds of CPU. */
const TIMEOUT_MS = 60_000;

describe('the golden output', () => {
  it.each(SECTIONS)(
    'of %s is the same as in its golden file',
    async (name, capture) => {
      expect(toJson(await capture())).toEqual(readGolden(name));
    },
    TIMEOUT_MS,
  );
});
