import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from '@jest/globals';

type Patterns = { readonly path?: string; readonly pathNot?: string };
type Config = {
  readonly default: {
    readonly forbidden: readonly {
      readonly name: string;
      readonly from: Patterns;
      readonly to: Patterns;
    }[];
  };
  readonly boundary: readonly string[];
  readonly owners: readonly (readonly [dependency: string, packages: string])[];
  readonly tiers: readonly Readonly<Record<string, readonly string[]>>[];
};

const root = join(import.meta.dirname, '..');
const sources = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.ts'], {
  cwd: root,
  encoding: 'utf8',
}).split('\n');
const documents = execFileSync('git', ['ls-files', 'docs'], { cwd: root, encoding: 'utf8' });
const { dependencies, devDependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
) as Readonly<Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>>;
const npmPackages = Object.keys({ ...dependencies, ...devDependencies }).map(
  (name) => `node_modules/${name}/`,
);
const importTargets = [...sources, ...documents.split('\n'), ...npmPackages, ...builtinModules];

/** A reference to a group of `from` is any one folder name. */
const toPattern = (text: string): RegExp => new RegExp(text.replace(/\$\d/g, '[^/]+'));

/** The parts of a pattern that has one group of alternatives at its start: `^(a|b)/c` → `^(a)/c`, … */
const splitAlternatives = (text: string): readonly string[] => {
  const [, head = '', group, tail = ''] = /^(\^[\w/]*)\(([^()]+)\)([^()]*)$/.exec(text) ?? [];
  return group === undefined ? [text] : group.split('|').map((each) => `${head}(${each})${tail}`);
};

const findUnmatched = (
  { path = '', pathNot }: Patterns,
  candidates: readonly string[],
): readonly string[] => {
  const rest =
    pathNot === undefined || pathNot.includes('$')
      ? candidates
      : candidates.filter((each) => !toPattern(pathNot).test(each));
  return splitAlternatives(path).filter((part) => {
    const pattern = toPattern(part);
    return !rest.some((each) => pattern.test(each));
  });
};

describe('the rules of dependency-cruiser', () => {
  let config: Config;

  beforeAll(async () => {
    config = (await import(join(root, '.dependency-cruiser.mjs'))) as Config;
  });

  it('matches files or modules with every pattern of every rule', () => {
    const unmatched = config.default.forbidden.flatMap(({ name, from, to }) => [
      ...findUnmatched(from, sources).map((pattern) => `${name}: from ${pattern}`),
      ...findUnmatched(to, importTargets).map((pattern) => `${name}: to ${pattern}`),
    ]);
    expect(unmatched).toEqual([]);
  });

  it('assigns every folder of lib to a tier or to the boundary, and no other folder', () => {
    const folders = readdirSync(join(root, 'lib'));
    const assigned = [...config.boundary, ...config.tiers.flatMap(Object.keys)];
    expect(assigned.toSorted()).toEqual(folders.toSorted());
  });

  it('allows imports within a tier only between packages of that tier', () => {
    const strangers = config.tiers.flatMap((tier) =>
      Object.values(tier)
        .flat()
        .filter((peer) => !(peer in tier)),
    );
    expect(strangers).toEqual([]);
  });

  it('names for each external dependency only packages that import it', () => {
    const idle = config.owners.flatMap(([dependency, packages]) =>
      splitAlternatives(packages)
        .filter((folder) => !hasImport(toPattern(folder), dependency))
        .map((folder) => `${dependency}: ${folder}`),
    );
    expect(idle).toEqual([]);
  });

  it('reports a pattern that matches nothing', () => {
    expect(findUnmatched({ path: '^lib/(schema|gone)/' }, sources)).toEqual(['^lib/(gone)/']);
    expect(findUnmatched({ path: '^lib/schema/', pathNot: '^lib/' }, sources)).toHaveLength(1);
  });
});

const hasImport = (folder: RegExp, dependency: string): boolean =>
  sources
    .filter((file) => folder.test(file))
    .some((file) =>
      new RegExp(`(from|import) ?\\(?'${dependency}['/-]`).test(
        readFileSync(join(root, file), 'utf8'),
      ),
    );
