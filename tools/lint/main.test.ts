import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const MAIN = join(import.meta.dirname, 'main.ts');

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-words-'));
  execFileSync('git', ['init', '--quiet', folder]);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lint = (name: string, content: string) => {
  writeFileSync(join(folder, name), content);
  const { status, stdout } = spawnSync(process.execPath, [MAIN, '--root', folder], {
    encoding: 'utf8',
  });
  return { status, lines: stdout.split('\n') };
};

describe('tools/lint/main.ts', () => {
  it.each([
    ['a comment', 'a.ts', '// Nobody reads it.\n', 'a.ts:1: "Nobody"'],
    ['an identifier', 'a.ts', 'const wishList = 1;\n', 'a.ts:1: "wishList"'],
    ['a message', 'a.ts', "\nthrow new Error('the run is dead');\n", 'a.ts:2: "dead"'],
    ['a document', 'a.md', 'The rest\n\nis silence.\n', 'a.md:3: "silence"'],
    ['a name within a document', 'a.md', 'Call `isRunDead`.\n', 'a.md:1: "Dead"'],
    ['a message with a member', 'a.ts', "log('max_silence');\n", 'a.ts:1: "silence"'],
    ['a file named after no subject', 'utils.ts', 'export {};\n', 'utils.ts:1: "utils"'],
    ['a file name', 'patience.md', 'Text.\n', 'patience.md:1: "patience"'],
  ])(
    'exits with status 1 when %s contains a banned word',
    (_, name, content, finding) => {
      const { status, lines } = lint(name, content);
      expect(lines[0]).toContain(finding);
      expect(status).toBe(1);
    },
    60_000,
  );

  it('exits with status 0 when no file contains a banned word', () => {
    expect(lint('a.ts', "throw new Error('the run has expired');\n")).toEqual({
      status: 0,
      lines: [''],
    });
  }, 60_000);
});
