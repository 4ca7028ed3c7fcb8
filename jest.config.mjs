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
  // Two cores are two workers: by default jest leaves one core idle.
  maxWorkers: '100%',
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
