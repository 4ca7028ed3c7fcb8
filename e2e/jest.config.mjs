import unit from '../jest.config.mjs';

/** The last round disturbs or searches what all others did, so it comes after them, one by one. */
const isLast = process.env.VALETKEY_E2E_ROUND === 'last';

export default {
  ...unit,
  rootDir: '..',
  roots: [isLast ? '<rootDir>/e2e/stories/last' : '<rootDir>/e2e/stories'],
  testPathIgnorePatterns: isLast ? [] : ['/stories/last/'],
  testMatch: ['**/*.story.ts'],
  testTimeout: 180_000,
  maxWorkers: isLast ? 1 : 2,
  maxConcurrency: 8,
  verbose: true,
};
