import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { ALLOWED_WORDS, UNCHECKED } from './allowed-words.ts';
import { findBannedWords } from './words.ts';

const HELP = `Check that files use the standard terms of the field.

  node tools/lint/main.ts [--root FOLDER] [PATH...]

Without a path, checks every file that git tracks or would add. FOLDER is a git repository
(default: this one). Banned words and their replacements: tools/lint/banned-words.ts.
Exceptions: tools/lint/allowed-words.ts.
Exit status 1: problems found.
`;

const listFiles = (root: string, paths: readonly string[]): readonly string[] =>
  execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate', '--', ...paths],
    { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(root, path)))
    .filter((path) => !UNCHECKED.some((pattern) => pattern.test(path)));

const checkFile = (root: string, path: string): readonly string[] => {
  const allowed = ALLOWED_WORDS[path] ?? {};
  return findBannedWords(path, readFileSync(join(root, path), 'utf8'))
    .filter(({ found }) => !(found.toLowerCase() in allowed))
    .map(({ line, found, use }) => `${path}:${line}: "${found}" is banned; use: ${use}`);
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    root: { type: 'string', default: join(import.meta.dirname, '..', '..') },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else {
  const problems = listFiles(values.root, positionals).flatMap((path) =>
    checkFile(values.root, path),
  );
  for (const problem of problems) console.log(problem);
  if (problems.length > 0) console.log(`${problems.length} banned words`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
