import { afterAll, describe, test } from '@jest/globals';
import { PROPERTIES } from './properties.ts';

/**
 * Runs a bounded part of `make fuzz MINUTES=n` with a fixed seed, so that an unrelated change cannot
 * make it fail. `make fuzz` finds new failures.
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
    300_000,
  );
});
