import { afterAll, describe, test } from '@jest/globals';
import '../test/kit/fast-check.ts';
import { PROPERTIES } from './properties.ts';

/** Runs a bounded part of `make fuzz MINUTES=n`, with the seed of tests. */
describe('for every input', () => {
  afterAll(async () => {
    for (const { close } of PROPERTIES) await close?.();
  });

  test.each(PROPERTIES)(
    '$name',
    async ({ check, runs }) => {
      await check({ runs });
    },
    300_000,
  );
});
