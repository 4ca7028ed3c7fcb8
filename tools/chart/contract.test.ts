import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { CONTRACT_FILE, renderContract } from './contract.ts';

describe('contract.json', () => {
  it('contains the constants of lib/contract', () => {
    expect(readFileSync(CONTRACT_FILE, 'utf8')).toBe(renderContract());
  });
});
