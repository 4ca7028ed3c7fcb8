import { availableParallelism } from 'node:os';

export default {
  testEnvironment: 'node',
  roots: [
    '<rootDir>/lib',
    '<rootDir>/cmd',
    '<rootDir>/e2e',
    '<rootDir>/tools',
    '<rootDir>/test',
    '<rootDir>/demo',
    '<rootDir>/bench',
    '<rootDir>/fuzz',
    '<rootDir>/test',
  ],
  // Tests wait for a third of their time, for servers, files and timers: two workers fill a core.
  maxWorkers: 2 * availableParallelism(),
  testMatch: ['**/*.test.ts'],
  // A bound for what hangs, not for what is slow: a busy machine loads an SDK in seconds.
  testTimeout: 30_000,
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2024', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};
