import unit from '../jest.config.mjs';

export default {
  ...unit,
  rootDir: '..',
  roots: ['<rootDir>/e2e/stories'],
  testMatch: ['**/*.story.ts'],
  testTimeout: 180_000,
  maxWorkers: 2,
  maxConcurrency: 8,
  verbose: true,
};
