import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { createStateFile } from './state-file.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'valetkey-state-'))));
afterEach(() => rmSync(folder, { recursive: true }));

describe('createStateFile', () => {
  it('reads nothing before the first write, and then what was written last', async () => {
    const file = createStateFile(join(folder, 'it.json'));
    expect(await file.read()).toBeUndefined();
    await file.write('one, which is longer');
    await file.write('two');
    expect(await file.read()).toBe('two');
    expect(readdirSync(folder)).toEqual(['it.json']);
    expect(statSync(join(folder, 'it.json')).mode & 0o777).toBe(0o600);
  });

  it('keeps the text before when a write fails', async () => {
    const file = createStateFile(join(folder, 'it.json'));
    await file.write('one');
    mkdirSync(join(folder, 'it.json.next'));
    await expect(file.write('two')).rejects.toMatchObject({ code: 'disk_failed' });
    expect(await file.read()).toBe('one');
  });

  it('throws for a path that is no file', async () => {
    mkdirSync(join(folder, 'it.json'));
    const reading = createStateFile(join(folder, 'it.json')).read();
    await expect(reading).rejects.toMatchObject({ code: 'disk_failed' });
  });
});
