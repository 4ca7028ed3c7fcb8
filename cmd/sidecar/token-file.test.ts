import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from '@jest/globals';

import { isReadable, createTokenReader } from './token-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'valetkey-token-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'token');

describe('createTokenReader', () => {
  test('reads the file at each call', () => {
    const read = createTokenReader(path);
    for (const token of ['first', 'second']) {
      writeFileSync(path, `${token}\n`);
      expect(read()).toBe(token);
    }
  });

  test.each([
    ['that is empty', () => writeFileSync(path, '\n')],
    ['that is gone', () => rmSync(path)],
  ])('%s is unavailable, and the setting is named', (_, damage) => {
    damage();
    expect(createTokenReader(path)).toThrow(
      expect.objectContaining({
        kind: 'unavailable',
        code: 'token_unreadable',
        message: expect.stringContaining('VALETKEY_TOKEN_FILE'),
      }),
    );
  });

  test('reports readability without reading the file', () => {
    writeFileSync(path, '');
    expect(isReadable(path)).toBe(true);
    rmSync(path);
    expect(isReadable(path)).toBe(false);
  });
});
