import { readFileSync } from 'node:fs';

import { expect, test } from '@jest/globals';

import { CONTRACT_FILE, renderContract } from './contract.ts';

test("the chart's copy of the shared words is what lib/contract says", () => {
  expect(readFileSync(CONTRACT_FILE, 'utf8')).toBe(renderContract());
});
