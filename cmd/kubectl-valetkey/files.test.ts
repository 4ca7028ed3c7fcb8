import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { listFiles } from './files.ts';

describe('listFiles', () => {
  it('lists the manifests of a folder and its subfolders, without hidden and other files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'valetkey-files-'));
    mkdirSync(join(folder, 'b'));
    mkdirSync(join(folder, '.git'));
    for (const name of ['c.yaml', 'a.yml', 'b/x.json', 'b/.y.yaml', 'n.txt', '.git/z.yaml']) {
      writeFileSync(join(folder, name), '');
    }
    const listed = await listFiles(folder);
    rmSync(folder, { recursive: true });
    expect(listed).toEqual(['a.yml', 'b/x.json', 'c.yaml'].map((name) => join(folder, name)));
  });

  it.each(['-', 'missing.yaml'])('returns %s as it is', async (path) => {
    expect(await listFiles(path)).toEqual([path]);
  });
});
