import fc from 'fast-check';

/**
 * fast-check with a fixed seed: an unrelated change cannot make a test fail. `make fuzz` sets
 * `VALETKEY_TEST_SEED=random` to find new failures, and a number repeats one of them: fast-check prints it.
 */
const FIXED_SEED = '20261130';
const seed = process.env['VALETKEY_TEST_SEED'] ?? FIXED_SEED;
if (seed !== 'random' && !/^-?\d{1,10}$/.test(seed))
  throw new Error(
    `VALETKEY_TEST_SEED: expected a number or "random", found ${JSON.stringify(seed)}`,
  );
fc.configureGlobal(seed === 'random' ? {} : { seed: Number(seed) });

export { default } from 'fast-check';
