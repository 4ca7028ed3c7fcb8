import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { buildVendOnlyFile, VEND_ONLY_FILE } from './vend-only-actions.ts';

it('the list of actions that only delivery: vend can use is what the operation tables say', async () => {
  expect(readFileSync(VEND_ONLY_FILE, 'utf8')).toBe(await buildVendOnlyFile());
}, 60_000);
