import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { readFreeBytes } from './free-space.ts';

describe('readFreeBytes', () => {
  it('returns the free bytes of the file system that holds the folder', async () => {
    expect(await readFreeBytes(tmpdir())).toBeGreaterThan(0);
  });

  it('returns nothing for a folder that does not exist', async () => {
    expect(await readFreeBytes(join(tmpdir(), 'valetkey-missing-folder'))).toBeUndefined();
  });
});
