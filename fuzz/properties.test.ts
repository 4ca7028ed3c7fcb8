import { afterAll, describe, test } from '@jest/globals';
import { PROPERTIES } from './properties.ts';

/**
 * A bounded share of what `make fuzz MINUTES=n` does for as long as it is given, and always the same:
 * what is new is found there, and not in somebody's change of another line.
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
