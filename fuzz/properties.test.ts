import { afterAll, describe, test } from '@jest/globals';
import { PROPERTIES } from './properties.ts';

/**
 * A bounded share of what `make fuzz MINUTES=n` does for as long as it is given, and always the same:
 * new failures are found there, not by an unrelated change.
 */
const SEED = 20_261_122;

describe('for every input', () => {
  afterAll(async () => {
    for (const { close } of PROPERTIES) await close?.();
  });

  test.each(PROPERTIES)(
    '$name',
    async ({ check, runs }) => {
      await check({ runs, seed: SEED });
    },
    120_000,
  );
});
