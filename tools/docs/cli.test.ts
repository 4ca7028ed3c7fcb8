import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { listCommands, createProgram, runProgram } from '../../cmd/kubectl-valetkey/program.ts';
import type { Io } from '../../cmd/kubectl-valetkey/io.ts';
import { EXIT, ToolError } from '../../cmd/kubectl-valetkey/tool-error.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
const typedCommands = Array.from(page.matchAll(/^```sh\n(.*?)^```$/gms), ([, text = '']) => text)
  .join('')
  .trim()
  .split('\n');

/** Whatever is understood comes as far as a file or the cluster, and no further. */
const far = new ToolError(EXIT.unreachable, ['far enough']);
const stopOutput = () => {
  throw far;
};
let help = '';
const cliDeps: Io = {
  out: (text) => (help += text),
  error: (text) => (help += text),
  ...{ streamFile: stopOutput, writeFile: stopOutput, createClusterClient: stopOutput },
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

/** The words of each of our commands in a line, as a shell would take them. */
const isOwnCommand = (line: string): readonly (readonly string[])[] =>
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
  test.each(leaves.map((command) => [listCommandWords(command)]))(
    'shows every example that the help of %j shows, with its meaning',
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

  test.each(typedCommands.flatMap(isOwnCommand).map((words) => [words]))(
    '%j is understood',
    async (words) => {
      expect(await runCli(words)).toEqual({ code: EXIT.unreachable, help: 'far enough\n' });
    },
  );

  test('says what each exit code means, as the help does', async () => {
    const told = (await runCli(['--help'])).help.matchAll(/^ {2}(\d) {2}(.*)$/gm);
    const rows = page.split('\n').map((row) => row.replace(/ +/g, ' '));
    const codes = Array.from(told, ([, code, meaning]) => `| ${code} | ${meaning} |`);
    expect(codes).toHaveLength(Object.keys(EXIT).length);
    expect(rows).toEqual(expect.arrayContaining(codes));
  });

  test('has a heading for each command', () => {
    const headings = page.split('\n').filter((line) => line.startsWith('## '));
    for (const words of leaves.map(listCommandWords)) {
      expect(headings.some((heading) => heading.includes(`\`${words.join(' ')}\``))).toBe(true);
    }
  });
});
