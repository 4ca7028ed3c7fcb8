import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { allOf, buildProgram, runProgram } from '../cmd/kubectl-valetkey/program.ts';
import type { Edges } from '../cmd/kubectl-valetkey/edges.ts';
import { EXIT, ToolError } from '../cmd/kubectl-valetkey/tool-error.ts';

const page = readFileSync(join(import.meta.dirname, 'cli.md'), 'utf8');
const typed = Array.from(page.matchAll(/^```sh\n(.*?)^```$/gms), ([, text = '']) => text)
  .join('')
  .trim()
  .split('\n');

/** Whatever is understood comes as far as a file or the cluster, and no further. */
const far = new ToolError(EXIT.unreachable, ['far enough']);
const stop = () => {
  throw far;
};
let help = '';
const edges: Edges = {
  out: (text) => (help += text),
  error: (text) => (help += text),
  ...{ streamFile: stop, writeFile: stop, openCluster: stop },
  now: () => 0,
  newId: () => 'id',
};
const run = async (words: readonly string[]) => {
  help = '';
  const code = await runProgram(words, edges);
  return { code, help };
};

const program = buildProgram({ edges, finish: () => undefined });
const leaves = allOf(program).filter(({ commands }) => commands.length === 0);
const wordsOf = (command: (typeof leaves)[number]): readonly string[] =>
  command.parent === null ? [] : [...wordsOf(command.parent), command.name()];

/** The words of each of our commands in a line, as a shell would take them. */
const ours = (line: string): readonly (readonly string[])[] =>
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
  test.each(leaves.map((command) => [wordsOf(command)]))(
    'shows every example that the help of %j shows, with its meaning',
    async (words) => {
      const shown = (await run([...words, '--help'])).help.split('Examples:\n')[1] ?? '';
      const examples =
        shown
          .split('\n\n')[0]
          ?.split('\n')
          .map((line) => line.slice(2)) ?? [];
      expect(examples.length).toBeGreaterThan(1);
      expect(typed.join('\n')).toContain(examples.join('\n'));
    },
  );

  test.each(typed.flatMap(ours).map((words) => [words]))('%j is understood', async (words) => {
    expect(await run(words)).toEqual({ code: EXIT.unreachable, help: 'far enough\n' });
  });

  test('says what each exit code means, as the help does', async () => {
    const told = (await run(['--help'])).help.matchAll(/^ {2}(\d) {2}(.*)$/gm);
    const rows = page.split('\n').map((row) => row.replace(/ +/g, ' '));
    const codes = Array.from(told, ([, code, meaning]) => `| ${code} | ${meaning} |`);
    expect(codes).toHaveLength(Object.keys(EXIT).length);
    expect(rows).toEqual(expect.arrayContaining(codes));
  });

  test('has a heading for each command', () => {
    const headings = page.split('\n').filter((line) => line.startsWith('## '));
    for (const words of leaves.map(wordsOf)) {
      expect(headings.some((heading) => heading.includes(`\`${words.join(' ')}\``))).toBe(true);
    }
  });
});
