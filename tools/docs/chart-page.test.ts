import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { listChartValues, renderChartPage } from './chart-page.ts';

const chart = join(import.meta.dirname, '../../charts/valetkey');
const values = listChartValues(readFileSync(join(chart, 'values.yaml'), 'utf8'));

describe('listChartValues', () => {
  it('reads comments above values and groups, defaults, and mappings in flow style', () => {
    const text = [
      '# About the file.',
      '',
      '# A group,',
      '# on two lines.',
      'group:',
      '  # The first.',
      '  first: [a, b]',
      '  second: { cpu: 1 }',
      'none: {}',
    ].join('\n');
    expect(listChartValues(text)).toEqual([
      { path: 'group', defaultValue: undefined, comment: 'A group, on two lines.' },
      { path: 'group.first', defaultValue: '["a","b"]', comment: 'The first.' },
      { path: 'group.second', defaultValue: '{"cpu":1}', comment: '' },
      { path: 'none', defaultValue: '{}', comment: '' },
    ]);
  });

  it.each(['- a', 'a: [', ''])('rejects %j, which is no mapping', (text) => {
    expect(() => listChartValues(text)).toThrow('expected a mapping');
  });
});

describe('values.yaml', () => {
  const commented = new Set(values.filter(({ comment }) => comment !== '').map(({ path }) => path));

  /** A comment of a group below the top level explains its members, such as `enabled`. */
  const isExplained = (path: string): boolean =>
    commented.has(path) ||
    (path.split('.').length > 2 && isExplained(path.slice(0, path.lastIndexOf('.'))));

  it('explains every value', () => {
    const unexplained = values.filter(
      ({ path, defaultValue }) => defaultValue !== undefined && !isExplained(path),
    );
    expect(unexplained).toEqual([]);
  });
});

describe('renderChartPage', () => {
  const page = renderChartPage();

  it('has a row for every value below a group', () => {
    const missing = values
      .filter(({ path }) => path.includes('.') && !page.includes(`| \`${path}\` `))
      .map(({ path }) => path);
    expect(missing).toEqual([]);
  });

  it('links to the pages that comments name', () => {
    expect(page).toContain('[docs/scaling.md](../../docs/scaling.md)');
  });
});
