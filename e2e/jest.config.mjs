import { readFileSync } from 'node:fs';
import unit from '../jest.config.mjs';

/** The last round disturbs or searches what all others did, so it comes after them, one by one. */
const isLast = process.env.VALETKEY_E2E_ROUND === 'last';

const { trust, isFull } = JSON.parse(readFileSync(process.env.VALETKEY_E2E_STAGE, 'utf8'));

/**
 * What does not apply where nobody is asked but the cluster, and what that does not change: admission,
 * upheaval and outage are told once, under `trust: authority`, unless all is asked for.
 */
const passedOver =
  trust.kind === 'authority'
    ? ['/cloud-cases\\.']
    : [
        '/stories/authority/',
        '/last/(policy|flood|rotation)',
        ...(isFull ? [] : ['/(admission|upheaval|outage)\\.']),
      ];

export default {
  ...unit,
  rootDir: '..',
  roots: [isLast ? '<rootDir>/e2e/stories/last' : '<rootDir>/e2e/stories'],
  testPathIgnorePatterns: [...passedOver, ...(isLast ? [] : ['/stories/last/'])],
  testMatch: ['**/*.story.ts'],
  testTimeout: 180_000,
  maxWorkers: isLast ? 1 : 2,
  maxConcurrency: 8,
  verbose: true,
};
