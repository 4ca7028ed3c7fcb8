import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import { findMissingSteps, listCallsInOrder } from './call-order.ts';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');

type Pipeline = {
  readonly title: string;
  readonly file: string;
  readonly entry: string;
  /** Each sequence of steps that the page shows, from first to last. */
  readonly sequences: readonly (readonly string[])[];
  /** The steps that the table explains. */
  readonly explained: readonly string[];
};

const listNames = (text: string): readonly string[] =>
  Array.from(text.matchAll(/`(\w+)`/g), ([, name = '']) => name);

const parsePipeline = (section: string): Pipeline => {
  const [, file = '', entry = ''] = /^`(lib\/[\w./-]+\.ts)` `(\w+)`$/m.exec(section) ?? [];
  const sequences = section.split('\n\n').filter((paragraph) => /^\w+: `.*→/.test(paragraph));
  const rows = section.matchAll(/^\| `(\w+)` +\|/gm);
  return {
    title: section.slice(0, section.indexOf('\n')),
    file,
    entry,
    sequences: sequences.map(listNames),
    explained: Array.from(rows, ([, name = '']) => name),
  };
};

const pipelines = (/^## Pipelines\n(.*?)^## /ms.exec(page)?.[1] ?? '')
  .split(/^### /m)
  .slice(1)
  .map(parsePipeline);

/** Undefined if the file does not exist or does not declare the function. */
const readCalls = (file: string, entry: string): readonly string[] | undefined =>
  existsSync(join(root, file))
    ? listCallsInOrder(readFileSync(join(root, file), 'utf8'), entry)
    : undefined;

describe('docs/architecture.md', () => {
  it('shows the three pipelines, each with its file, its function and its steps', () => {
    expect(pipelines.map(({ file, entry }) => `${file} ${entry}`)).toEqual([
      'lib/injection/admission.ts evaluateAdmission',
      'lib/exchange/token-exchange.ts exchangeToken',
      'lib/runs/credentials-request.ts handleCredentialsRequest',
    ]);
    for (const { sequences } of pipelines) expect(sequences).not.toEqual([]);
  });

  it.each(pipelines)('explains each step of: $title', ({ sequences, explained }) => {
    expect(new Set(explained)).toEqual(new Set(sequences.flat()));
  });

  it.each(pipelines)('names a function of its file for: $title', ({ file, entry }) => {
    expect(readCalls(file, entry)).toBeDefined();
  });

  it.each(
    pipelines.flatMap(({ sequences, ...pipeline }) =>
      sequences.map((steps) => ({ ...pipeline, steps })),
    ),
  )('shows the calls of $entry in their order: $steps', ({ file, entry, steps }) => {
    expect(findMissingSteps(readCalls(file, entry) ?? [], steps)).toEqual([]);
  });
});

type Tiers = readonly Readonly<Record<string, readonly string[]>>[];

const readTiers = async (): Promise<Tiers> => {
  const config = (await import(join(root, '.dependency-cruiser.mjs'))) as { tiers: Tiers };
  return config.tiers;
};

/** The imports that a cell such as `task` → `catalog`; `scope` → `task` shows. */
const parseImports = (cell: string): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    cell
      .split(';')
      .map(listNames)
      .flatMap(([name, ...peers]) => (name === undefined ? [] : [[name, peers]])),
  );

describe('the packages on docs/architecture.md', () => {
  it('are those of the dependency rules, with their tiers and their imports', async () => {
    const rows = Array.from(page.matchAll(/^\| \d +\|(.*?)\|(.*?)\|$/gm), ([, names, cell]) => ({
      packages: listNames(names ?? ''),
      imports: parseImports(cell ?? ''),
    }));
    const expected = (await readTiers()).map((tier) => ({
      packages: Object.keys(tier),
      imports: Object.fromEntries(Object.entries(tier).filter(([, peers]) => peers.length > 0)),
    }));
    expect(rows).toEqual(expected);
  });

  it('list every edge', () => {
    const rows = Array.from(page.matchAll(/^\| `lib\/edge\/(\w+)` +\|/gm), ([, name]) => name);
    expect(rows.sort()).toEqual(readdirSync(join(root, 'lib', 'edge')).sort());
  });
});

const decisions = join(root, 'docs', 'adr');

describe('docs/adr/README.md', () => {
  it('lists every record once, in order, without a gap in the numbers', () => {
    const list = readFileSync(join(decisions, 'README.md'), 'utf8');
    const rows = Array.from(list.matchAll(/^\| \[(\d{4})\]\((.*?)\) /gm), ([, number, file]) => ({
      number,
      file,
    }));
    const files = readdirSync(decisions).filter((file) => file !== 'README.md');
    expect(rows.map(({ file }) => file)).toEqual(files.sort());
    const numbers = files.map((_, index) => String(index + 1).padStart(4, '0'));
    expect(rows.map(({ number }) => number)).toEqual(numbers);
    for (const { file = '', number } of rows) {
      const title = readFileSync(join(decisions, file), 'utf8').split('\n')[0];
      expect(`${file} ${title}`).toMatch(new RegExp(`^${number}-.* # ${number}: `));
    }
  });
});

describe('listCallsInOrder', () => {
  const text = `
    const inner = (x) => { second(x); return third(x); };
    export const entry = async (x) => {
      const later = () => unrelated();
      const value = await deps.first(x);
      return fifth(fourth(inner(value)), [x].map(sixth));
    };`;

  it('lists calls in the order of evaluation and follows functions of the same file', () => {
    const calls = listCallsInOrder(text, 'entry') ?? [];
    const steps = ['first', 'inner', 'second', 'third', 'fourth', 'sixth', 'fifth'];
    expect(findMissingSteps(calls, steps)).toEqual([]);
    expect(calls).not.toContain('unrelated');
  });

  it('returns undefined for a function that the file does not declare', () => {
    expect(listCallsInOrder(text, 'absent')).toBeUndefined();
  });
});

describe('findMissingSteps', () => {
  it('names a step that comes too early or is not called', () => {
    expect(findMissingSteps(['b', 'a'], ['a', 'b', 'c'])).toEqual(['b', 'c']);
  });
});
