import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { listCommands, createProgram } from '../../cmd/kubectl-valetkey/program.ts';
import { EXIT } from '../../cmd/kubectl-valetkey/tool-error.ts';
import { checkCommand, createStoppedIo, listOwnCommands, VALID_COMMAND } from './command-check.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
const typedCommands = Array.from(page.matchAll(/^```sh\n(.*?)^```$/gms), ([, text = '']) => text)
  .join('')
  .trim()
  .split('\n');

const program = createProgram({
  io: createStoppedIo(() => undefined),
  setExitCode: () => undefined,
});
const leaves = listCommands(program).filter(({ commands }) => commands.length === 0);
const listCommandWords = (command: (typeof leaves)[number]): readonly string[] =>
  command.parent === null ? [] : [...listCommandWords(command.parent), command.name()];

describe('docs/cli.md', () => {
  it.each(leaves.map((command) => [listCommandWords(command)]))(
    'shows each example of the help of %j with its comment',
    async (words) => {
      const shown = (await checkCommand([...words, '--help'])).help.split('Examples:\n')[1] ?? '';
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
      expect(await checkCommand(words)).toEqual(VALID_COMMAND);
    },
  );

  it('lists each exit status with the meaning that the help shows', async () => {
    const shown = (await checkCommand(['--help'])).help.matchAll(/^ {2}(\d+) {2}(.*)$/gm);
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
