import { readFileSync } from 'node:fs';
import unit from '../jest.config.mjs';
import { getGroup, selectFiles } from './test-selection.ts';

const group = process.env.VALETKEY_E2E_GROUP ?? 'main';
const context = JSON.parse(readFileSync(process.env.VALETKEY_E2E_CONTEXT, 'utf8'));
const { entry, isFull, node } = context;
const files = selectFiles(entry, { isFull, hasNode: node !== undefined }).filter(
  (file) => getGroup(file) === group,
);

export default {
  ...unit,
  rootDir: '..',
  roots: ['<rootDir>/e2e/tests'],
  testMatch: files.map(({ file }) => `<rootDir>/e2e/tests/${file}`),
  testTimeout: 420_000,
  maxWorkers: group === 'main' ? 2 : 1,
  maxConcurrency: 8,
  verbose: true,
};
