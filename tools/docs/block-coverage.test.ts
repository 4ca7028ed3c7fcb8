import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { testFiles } from '../../e2e/test-selection.ts';
import {
  blockCoverage,
  formatMark,
  formatSummary,
  listCoveredBlocks,
  createGuidePage,
} from '../../e2e/tests/guide/block-coverage.ts';
import type { CoveredBlock } from '../../e2e/tests/guide/block-coverage.ts';
import { listRunnableBlocks, toLines } from '../../e2e/tests/guide/guide-blocks.ts';

const root = join(import.meta.dirname, '..', '..');
const readFile = (path: string): string => readFileSync(join(root, path), 'utf8');
const guides = globSync('docs/guides/*.md', { cwd: root }).sort();
const pages = [
  ...['README.md', 'docs/quickstart.md', 'docs/first-hour.md', 'docs/minio.md'],
  ...guides.filter((page) => listRunnableBlocks(page).length > 0),
];
/** Their readers see who runs a block; the other pages say it once, in their text. */
const markedPages = ['docs/first-hour.md', ...pages.filter((page) => guides.includes(page))];

const withoutComment = (line: string): string => line.replace(/\s+# .*$/, '');

const toPath = (test: string): string =>
  testFiles.some(({ file }) => file === test) ? `e2e/tests/${test}` : test;

/** Whether the source of a test opens the page, by its path or by the name of a guide. */
const opensPage = (source: string, page: string): boolean =>
  [page, basename(page, '.md')].some((name) => source.includes(`'${name}'`));

/** What is wrong with who is said to run a block. */
const listProblems = (page: string, { coverage, text }: CoveredBlock): readonly string[] => {
  if ('needs' in coverage) return [];
  if ('sameAs' in coverage) {
    const others = listCoveredBlocks(coverage.sameAs);
    const lines = others.flatMap((other) => toLines(other.text));
    return [
      ...others.filter((other) => !('test' in other.coverage)).map(() => 'a page that is not run'),
      ...toLines(text).filter((line) => !lines.includes(line)),
    ];
  }
  const path = toPath(coverage.test);
  if (!existsSync(join(root, path))) return [`${path}: expected a test`];
  const source = readFile(path);
  if (path.endsWith('.yml'))
    return toLines(text)
      .map(withoutComment)
      .filter((line) => !source.includes(`run: ${line}\n`));
  return opensPage(source, page) ? [] : [`${path}: expected it to open ${page}`];
};

describe('blocks of commands and programs', () => {
  it('have entries for the pages that have some, and for no other page', () => {
    expect(Object.keys(blockCoverage).sort()).toEqual([...pages].sort());
    expect(pages.length).toBeGreaterThan(15);
  });

  it.each(pages)('each have one entry, and each entry has a block: %s', (page) => {
    const entries = Object.values(blockCoverage[page] ?? {}).flat();
    expect(listCoveredBlocks(page).map(({ coverage }) => coverage)).toEqual(entries);
  });

  it.each(pages)('are opened by the test that is said to run them: %s', (page) => {
    const blocks = listCoveredBlocks(page);
    expect(blocks.flatMap((block) => listProblems(page, block))).toEqual([]);
  });

  it('are all run in README.md and the quick starts', () => {
    const own = ['README.md', 'docs/quickstart.md', 'docs/first-hour.md', 'docs/minio.md'];
    const needing = own.flatMap(listCoveredBlocks).filter(({ coverage }) => 'needs' in coverage);
    expect(needing).toEqual([]);
  });

  it.each(markedPages)('are marked with who runs them: %s', (page) => {
    const above = Array.from(
      readFile(page).matchAll(/(?<mark>[^\n]*)\n\n```(?:sh|bash|console|js|ts|python|go|java)\n/g),
      ({ groups = {} }) => groups['mark'],
    );
    expect(above).toEqual(listCoveredBlocks(page).map(({ coverage }) => formatMark(coverage)));
  });

  it.each(pages.filter((page) => guides.includes(page)))('are counted at the top of %s', (page) => {
    const [top = ''] = readFile(page).split('\n## ');
    const coverages = listCoveredBlocks(page).map(({ coverage }) => coverage);
    expect(top.replaceAll('\n', ' ')).toContain(formatSummary(coverages));
  });

  it('are marked by what is the case', () => {
    expect(formatMark({ test: 'guide/first-hour.e2e.ts' })).toBe('Run by make e2e-full:');
    expect(formatMark({ test: 'guide/quickstart.e2e.ts' })).toBe('Run in CI:');
    expect(formatMark({ test: 'tools/docs/guides.test.ts' })).toBe('Run in CI:');
    expect(formatMark({ needs: 'EKS' })).toBe('Not run in CI (needs EKS):');
  });
});

describe('createGuidePage', () => {
  it('lists what its test has not taken, and gives no block of another test', () => {
    const page = createGuidePage('docs/quickstart.md', 'guide/quickstart.e2e.ts');
    expect(page.take('See what happened')).toContain('kubectl valetkey tasks');
    expect(page.listLeft()).toEqual(['Run the three commands: 0', 'Remove it: 0']);
    const other = createGuidePage('docs/quickstart.md', 'guide/first-hour.e2e.ts');
    expect(other.listLeft()).toEqual([]);
    expect(() => other.take('Remove it')).toThrow('Remove it 0: not run by guide/first-hour');
  });
});
