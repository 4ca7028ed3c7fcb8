import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { listCommands, createProgram, runProgram } from '../../cmd/kubectl-valetkey/program.ts';
import type { Io } from '../../cmd/kubectl-valetkey/io.ts';
import { EXIT, ToolError } from '../../cmd/kubectl-valetkey/tool-error.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
const typedCommands = Array.from(page.matchAll(/^```sh\n(.*?)^```$/gms), ([, text = '']) => text)
  .join('')
  .trim()
  .split('\n');

/** A valid command reaches the first file or cluster access, which ends it with this error. */
const accessError = new ToolError(EXIT.unreachable, ['access reached']);
const stopAtAccess = () => {
  throw accessError;
};
let help = '';
const cliDeps: Io = {
  out: (text) => (help += text),
  error: (text) => (help += text),
  listFiles: (path) => Promise.resolve([path]),
  streamFile: stopAtAccess,
  writeFile: stopAtAccess,
  createClusterClient: stopAtAccess,
  fetchDocument: stopAtAccess,
  now: () => 0,
  newId: () => 'id',
};
const runCli = async (words: readonly string[]) => {
  help = '';
  const code = await runProgram(words, cliDeps);
  return { code, help };
};

const program = createProgram({ io: cliDeps, setExitCode: () => undefined });
const leaves = listCommands(program).filter(({ commands }) => commands.length === 0);
const listCommandWords = (command: (typeof leaves)[number]): readonly string[] =>
  command.parent === null ? [] : [...listCommandWords(command.parent), command.name()];

/** The arguments of each `kubectl valetkey` command in a line, split as by a shell. */
const listOwnCommands = (line: string): readonly (readonly string[])[] =>
  line
    .split(' | ')
    .filter((command) => command.startsWith('kubectl valetkey '))
    .map((command) =>
      Array.from(
        command.matchAll(/"([^"]*)"|(\S+)/g),
        ([, quoted, plain]) => quoted ?? plain ?? '',
      ),
    )
    .map(([, , ...words]) => words);

describe('docs/cli.md', () => {
  it.each(leaves.map((command) => [listCommandWords(command)]))(
    'shows each example of the help of %j with its comment',
    async (words) => {
      const shown = (await runCli([...words, '--help'])).help.split('Examples:\n')[1] ?? '';
      const examples =
        shown
          .split('\n\n')[0]
          ?.split('\n')
          .map((line) => line.slice(2)) ?? [];
      expect(examples.length).toBeGreaterThan(1);
      expect(typedCommands.join('\n')).toContain(examples.join('\n'));
    },
  );

  it.each(typedCommands.flatMap(listOwnCommands).map((words) => [words]))(
    'shows a valid command: %j',
    async (words) => {
      expect(await runCli(words)).toEqual({ code: EXIT.unreachable, help: 'access reached\n' });
    },
  );

  it('lists each exit status with the meaning that the help shows', async () => {
    const shown = (await runCli(['--help'])).help.matchAll(/^ {2}(\d) {2}(.*)$/gm);
    const rows = page.split('\n').map((row) => row.replace(/ +/g, ' '));
    const codes = Array.from(shown, ([, code, meaning]) => `| ${code} | ${meaning} |`);
    expect(codes).toHaveLength(Object.keys(EXIT).length);
    expect(rows).toEqual(expect.arrayContaining(codes));
  });

  it('has a heading for each command', () => {
    const headings = page.split('\n').filter((line) => line.startsWith('## '));
    for (const words of leaves.map(listCommandWords)) {
      expect(headings.some((heading) => heading.includes(`\`${words.join(' ')}\``))).toBe(true);
    }
  });
});
