import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { searchSecrets } from './secret-search.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-search-'));
  mkdirSync(join(folder, 'home', 'deep'), { recursive: true });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});
const writeTestFile = (name: string, text: string): void => writeFileSync(join(folder, name), text);

describe('the search for secrets', () => {
  it('finds none where there is none, and says how many files it read', () => {
    writeTestFile('a.log', 'nothing here');
    writeTestFile('home/deep/b.log', 'nor here');
    const result = searchSecrets(folder, [{ description: 'a key', text: 's3cr3t' }]);
    expect(result).toEqual({ files: 2, leaks: [], missing: [] });
  });

  it('finds one in any depth, also as a URL would write it', () => {
    writeTestFile('home/deep/b.log', 'key=s3%2Fcr3t&x');
    const { leaks } = searchSecrets(folder, [{ description: 'a key', text: 's3/cr3t' }]);
    expect(leaks).toEqual([`a key in ${join(folder, 'home/deep/b.log')}`]);
  });

  it('leaves one alone at home, and only there', () => {
    writeTestFile('home/token', 't0ken');
    writeTestFile('a.log', 'got t0ken');
    const secrets = [
      { description: 'a token', text: 't0ken', allowedFolder: join(folder, 'home') },
    ];
    expect(searchSecrets(folder, secrets).leaks).toEqual([`a token in ${join(folder, 'a.log')}`]);
  });

  it('does not follow links: what they lead to is home under its own name', () => {
    writeTestFile('home/token', 't0ken');
    symlinkSync(join(folder, 'home'), join(folder, 'link'));
    const secrets = [
      { description: 'a token', text: 't0ken', allowedFolder: join(folder, 'home') },
    ];
    expect(searchSecrets(folder, secrets)).toEqual({ files: 1, leaks: [], missing: [] });
  });

  it('says when one is not even at allowedFolder: then it looked for the wrong text', () => {
    writeTestFile('home/token', 'another');
    const secrets = [
      { description: 'a token', text: 't0ken', allowedFolder: join(folder, 'home') },
    ];
    expect(searchSecrets(folder, secrets).missing).toEqual(['a token']);
  });
});
