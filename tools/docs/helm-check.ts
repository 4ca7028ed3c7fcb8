import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { toMapping } from '../../lib/schema/mapping.ts';

const VALUES = ['--values', '-f', '--set', '--set-string', '--set-file'];
const COMMON = ['--namespace', '-n', '--kubeconfig', '--kube-context'];
const INSTALL = [...VALUES, '--create-namespace', '--wait', '--timeout', '--version', '--dry-run'];

/** The options of Helm 3 that the documentation may use, by command. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  install: INSTALL,
  upgrade: [...INSTALL, '--install', '--force', '--reuse-values', '--reset-values'],
  template: [...INSTALL, '--show-only', '-s'],
  uninstall: ['--wait', '--timeout', '--keep-history'],
  rollback: ['--wait', '--timeout'],
  'get values': ['--all', '-a', '--output', '-o'],
};
const SWITCHES = new Set([
  ...['--create-namespace', '--wait', '--install', '--force', '--reuse-values', '--reset-values'],
  ...['--all', '-a', '--keep-history', '--dry-run'],
]);

/** `a.b=1,c={x,y}` → the paths `a.b` and `c`. */
const listSetPaths = (text: string): readonly string[] =>
  text
    .replaceAll(/\{[^}]*\}/g, 'list')
    .split(/(?<!\\),/)
    .map((each) => each.split('=')[0] ?? '');

/** Whether the chart has the value. Below an empty mapping or a list, its user chooses the keys. */
const hasValue = (values: unknown, path: string): boolean => {
  let value: unknown = values;
  for (const key of path.split(/(?<!\\)\./)) {
    if (Array.isArray(value) || (isEmptyMapping(value) && value !== values)) return true;
    const mapping = toMapping(value);
    const name = key.replace(/\[\d+\]$/, '');
    if (!Object.hasOwn(mapping, name)) return false;
    value = mapping[name];
  }
  return true;
};

const isEmptyMapping = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

type HelmWords = {
  readonly positional: readonly string[];
  readonly options: readonly { readonly name: string; readonly value: string }[];
};

const readHelmWords = (words: readonly string[]): HelmWords => {
  const positional: string[] = [];
  const options: { name: string; value: string }[] = [];
  const rest = words.slice(1);
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [name = '', inline] = word.split(/=(.*)/s);
    if (!name.startsWith('-')) positional.push(word);
    else if (SWITCHES.has(name)) options.push({ name, value: '' });
    else options.push({ name, value: inline ?? rest.shift() ?? '' });
  }
  return { positional, options };
};

/** What is wrong with the words of a Helm command: an unknown command, option, chart or value. */
export const listHelmProblems = (
  words: readonly string[],
  { values, root }: { readonly values: unknown; readonly root: string },
): readonly string[] => {
  const { positional, options } = readHelmWords(words);
  const command = positional.slice(0, positional[0] === 'get' ? 2 : 1).join(' ');
  const known = OPTIONS[command];
  if (known === undefined) return [`${command}: expected a known command of Helm`];
  const unknownOptions = options
    .filter(({ name }) => ![...COMMON, ...known].includes(name))
    .map(({ name }) => `${name}: expected an option of helm ${command}`);
  const unknownValues = options
    .filter(({ name }) => name.startsWith('--set'))
    .flatMap(({ value }) => listSetPaths(value))
    .filter((path) => !hasValue(values, path))
    .map((path) => `${path}: the chart has no such value`);
  const missingCharts = positional
    .filter((word) => word.startsWith('charts/') && !existsSync(join(root, word, 'Chart.yaml')))
    .map((word) => `${word}: expected a chart`);
  return [...unknownOptions, ...unknownValues, ...missingCharts];
};
