import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createProgram, listCommands } from '../../cmd/kubectl-valetkey/program.ts';
import {
  checkCommand,
  createStoppedIo,
  listInlineCommands,
  listShellCommands,
  VALID_COMMAND,
} from './command-check.ts';
import { listHelmProblems } from './helm-check.ts';

const root = join(import.meta.dirname, '..', '..');
const readFile = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = ['*.md', '{charts,demo,docs,e2e,manifests,tools}/**/*.md']
  .flatMap((pattern) => globSync(pattern, { cwd: root }))
  .filter((page) => page !== 'CHANGELOG.md')
  .sort();
const chart = { values: parse(readFile('charts/valetkey/values.yaml')) as unknown, root };

const program = createProgram({
  io: createStoppedIo(() => undefined),
  setExitCode: () => undefined,
});
type Command = ReturnType<typeof listCommands>[number];
const getPath = (command: Command): string =>
  command.parent === null ? '' : `${getPath(command.parent)} ${command.name()}`.trim();
const commands = new Map(listCommands(program).map((each) => [getPath(each), each]));

const isOwn = ([first, second]: readonly string[]): boolean =>
  first === 'kubectl' && second === 'valetkey';
const isHelm = ([first]: readonly string[]): boolean => first === 'helm';

/** Commands of prose have no arguments at times: only their names and their options are checked. */
const listProseProblems = ([, , ...words]: readonly string[]): readonly string[] => {
  const [first = '', second = ''] = words;
  const command = commands.get(`${first} ${second}`) ?? commands.get(first);
  if (command === undefined) return [`${first}: expected a command of kubectl valetkey`];
  const known = [command, program].flatMap(({ options }) =>
    options.flatMap(({ long, short }) => [long, short]),
  );
  return words
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.split('=')[0] ?? '')
    .filter((option) => option !== '--help' && !known.includes(option))
    .map((option) => `${option}: expected an option of ${getPath(command)}`);
};

type Found = readonly [page: string, words: readonly string[]];
const find = (
  list: (text: string) => readonly (readonly string[])[],
  isWanted: (words: readonly string[]) => boolean,
): readonly Found[] =>
  pages.flatMap((page) =>
    list(readFile(page))
      .filter(isWanted)
      .map((words): Found => [page, words]),
  );

const own = find(listShellCommands, isOwn);
const helm = find(listShellCommands, isHelm);

describe('commands of the documentation', () => {
  it('are found in blocks of many pages', () => {
    expect(new Set(own.map(([page]) => page)).size).toBeGreaterThan(30);
    expect(new Set(helm.map(([page]) => page)).size).toBeGreaterThan(8);
  });

  it.each(own)('are valid in blocks of %s: %j', async (_, [, , ...words]) => {
    const { code, help } = await checkCommand(words);
    expect({ code, help }).toEqual(VALID_COMMAND);
  });

  it('name commands and options of kubectl valetkey that exist, in prose', () => {
    const inline = find((text) => listInlineCommands(text, 'kubectl valetkey'), isOwn);
    expect(inline.length).toBeGreaterThan(30);
    const problems = inline
      .filter(([, [, , first = '--']]) => !first.startsWith('--'))
      .flatMap(([page, words]) => listProseProblems(words).map((each) => `${page}: ${each}`));
    expect(problems).toEqual([]);
  });

  it.each(helm)('name options of Helm and values of the chart that exist: %s %j', (_, words) => {
    expect(listHelmProblems(words, chart)).toEqual([]);
  });
});

describe('listShellCommands', () => {
  it('joins lines, splits pipes, and drops comments, redirections and quotes', () => {
    const page = `\`\`\`sh
# a comment
kubectl valetkey lint \\
  --policy "p q/" 'a b.yaml' | tee out.txt   # the rest
kubectl valetkey audit verify $(find x -name 'a-*.jsonl') > y && ls
\`\`\``;
    expect(listShellCommands(page)).toEqual([
      ['kubectl', 'valetkey', 'lint', '--policy', 'p q/', 'a b.yaml'],
      ['tee', 'out.txt'],
      ['kubectl', 'valetkey', 'audit', 'verify', 'substituted'],
      ['ls'],
    ]);
  });
});

describe('listHelmProblems', () => {
  it.each([
    [['install', 'v', 'charts/valetkey', '--set', 'cloud.regoin=x'], 'cloud.regoin: the chart'],
    [['install', 'v', 'charts/valetkey', '--keep'], '--keep: expected an option of helm install'],
    [['install', 'v', 'charts/other'], 'charts/other: expected a chart'],
    [['instal', 'v'], 'instal: expected a known command'],
  ])('reports what does not exist: %j', (words, problem) => {
    expect(listHelmProblems(['helm', ...words], chart)[0]).toContain(problem);
  });

  it('accepts lists, several values, and keys that the user chooses', () => {
    const set =
      'openshift.scc.namespaces={a,b},cloud.region=x,sidecar.allowedChanges.maxResources.cpu=1';
    expect(
      listHelmProblems(['helm', 'upgrade', 'v', 'charts/valetkey', '--set', set], chart),
    ).toEqual([]);
  });
});
