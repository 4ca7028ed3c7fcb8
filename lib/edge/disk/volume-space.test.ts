import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { readVolumeSpace } from './volume-space.ts';

describe('readVolumeSpace', () => {
  it('returns size and free bytes of the file system that holds the folder', async () => {
    const { sizeBytes = 0, freeBytes = 0 } = (await readVolumeSpace(tmpdir())) ?? {};
    expect(freeBytes).toBeGreaterThan(0);
    expect(sizeBytes).toBeGreaterThanOrEqual(freeBytes);
  });

  it('returns nothing for a folder that does not exist', async () => {
    expect(await readVolumeSpace(join(tmpdir(), 'valetkey-missing-folder'))).toBeUndefined();
  });
});
