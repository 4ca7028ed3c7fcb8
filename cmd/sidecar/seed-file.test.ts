import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readOrCreateSeed, SeedFileError } from './seed-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-seed-'));
  path = join(folder, 'seed');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('readOrCreateSeed', () => {
  it('creates 32 bytes that only the user can read, once', () => {
    const seed = readOrCreateSeed(path);
    expect(seed).toHaveLength(32);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readOrCreateSeed(path).equals(seed)).toBe(true);
  });

  it('ignores what an interrupted start left behind', () => {
    writeFileSync(`${path}.new`, 'half');
    expect(readOrCreateSeed(path)).toHaveLength(32);
  });

  it.each([
    [
      'of another size',
      () => writeFileSync(path, 'short', { mode: 0o600 }),
      'got 5 bytes, mode 600',
    ],
    [
      'that others can read',
      () => {
        writeFileSync(path, 'x'.repeat(32));
        chmodSync(path, 0o644);
      },
      'mode 644',
    ],
    ['that is a link', () => symlinkSync('/dev/zero', path), '(ELOOP)'],
  ])('refuses a file %s, and names it', (_, create, message) => {
    create();
    const read = () => readOrCreateSeed(path);
    expect(read).toThrow(SeedFileError);
    expect(read).toThrow(path);
    expect(read).toThrow(message);
  });
});
