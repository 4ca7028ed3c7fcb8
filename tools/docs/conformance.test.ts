import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { testFiles } from '../../e2e/test-selection.ts';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'conformance.md'), 'utf8');

type Statement = {
  readonly number: number;
  readonly extent: string;
  readonly evidence: string;
  /** `title` is absent where the page names a file as a whole. */
  readonly tests: readonly { readonly file: string; readonly title?: string }[];
};

const parseStatement = (section: string): Statement => {
  const head = /^(\d+)\. \*\*[^*]+\*\* (holds if|holds|partly)\b.*?_(cluster|unit|none)_$/ms;
  const [, number = '', extent = '', evidence = ''] =
    head.exec(section.split(/^ +- /m)[0] ?? '') ?? [];
  const named = section.matchAll(/^ +- `([\w./-]+\.(?:ts|yaml))`(?::\s+"([^"]+)"$)?/gm);
  return {
    number: Number(number),
    extent,
    evidence,
    tests: Array.from(named, ([, file = '', title]) => ({ file, ...(title && { title }) })),
  };
};

const statements = (/^## Thirty statements\n(.*?)^## /ms.exec(page)?.[1] ?? '')
  .split(/^(?=\d+\. )/m)
  .slice(1)
  .map((section) => parseStatement(section.replace(/^### .*\n?/m, '').trimEnd()));

const claims = statements.flatMap(({ number, tests }) =>
  tests.map(({ file, title }) => ({ number, file, title })),
);

/** A title of a test, of a row of a table in TypeScript, or of an attack in YAML. */
const hasTitle = (file: string, title: string): boolean => {
  const text = readFileSync(join(root, file), 'utf8');
  if (file.endsWith('.yaml')) return text.split('\n').includes(`- name: ${title}`);
  return [`'${title}'`, `"${title}"`, `\`${title}\``].some((literal) => text.includes(literal));
};

const isClusterTest = (file: string): boolean =>
  file.startsWith('e2e/attacks/') || testFiles.some((each) => `e2e/tests/${each.file}` === file);

const rows = Array.from(
  page.matchAll(/^\| (\d+) +\|(?:[^|]*\|){2} (met|partly|not|n\/a) +\|/gm),
  ([, number = '', result = '']) => ({ number: Number(number), result }),
);

describe('docs/conformance.md', () => {
  it('has thirty statements, each with an extent and a kind of evidence', () => {
    expect(statements.map(({ number }) => number)).toEqual(
      Array.from({ length: 30 }, (_, n) => n + 1),
    );
  });

  it.each(claims)(
    'names a file and a title that exist: $number $file $title',
    ({ file, title }) => {
      expect(existsSync(join(root, file))).toBe(true);
      if (title !== undefined) expect(hasTitle(file, title)).toBe(true);
    },
  );

  it.each(statements)('says of statement $number where its tests run', ({ evidence, tests }) => {
    const titled = tests.filter(({ title }) => title !== undefined);
    expect(titled.some(({ file }) => isClusterTest(file))).toBe(evidence === 'cluster');
    expect(titled.length > 0).toBe(evidence !== 'none');
  });

  it('names the limit of each statement that holds only partly', () => {
    const parted = statements.filter(({ extent }) => extent !== 'holds');
    const sections = page.split(/^(?=\d+\. )/m);
    for (const { number } of parted) expect(sections[number]).toContain('- Limit: ');
  });

  it('counts the results of CB4A', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 34 }, (_, n) => n + 1));
    const count = (wanted: string): number => rows.filter(({ result }) => result === wanted).length;
    expect(page).toContain(
      `${count('met')} are met, ${count('partly')} partly, ${count('not')} not, ${count('n/a')} does not apply.`,
    );
  });
});
