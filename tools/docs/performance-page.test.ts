import { describe, expect, it } from '@jest/globals';
import { renderFigures, replacePart } from './performance-page.ts';

const results = {
  cpu: 'a processor',
  cores: 2,
  node: '24.0.0',
  load: { before: 0.1, after: 1.5 },
  rows: [
    {
      name: 'runs issued',
      unit: 'runs per core-second',
      value: 5190,
      baseline: 6300,
      ratio: 0.824,
      goal: 'ratio ≥ 0.9',
      met: false,
    },
    { name: 'start', unit: 'ms', value: 98.1, baseline: null, ratio: null, goal: null, met: null },
  ],
} as const;

describe('renderFigures', () => {
  it('states the machine and its load, and a goal that is not met', () => {
    const lines = renderFigures(results).split('\n');
    expect(lines[0]).toContain('2 cores of a processor, Node 24.0.0.');
    expect(lines[0]).toContain('before and after: 0.1 and 1.5.');
    expect(lines[4]).toMatch(
      /^\| runs issued +\| runs per core-second +\| 5,190 +\| 6,300 +\| 0.824 +\| ratio ≥ 0.9 +\| \*\*no\*\* +\|$/,
    );
    expect(lines[5]).toMatch(/^\| start +\| ms +\| 98.1 +\| – +\| – +\| – +\| – +\|$/);
  });
});

describe('replacePart', () => {
  const page = (figures: string) =>
    `before\n\n<!-- Written by make docs from bench/results.json -->\n\n${figures}\n\n<!-- End of the written part -->\nafter`;

  it('replaces what is between the two comments, and nothing else', () => {
    expect(replacePart(page('old'), 'bench/results.json', 'new')).toBe(page('new'));
  });

  it('replaces the part of the named source, not the one before it', () => {
    const other = page('kept').replace('results.json', 'peers.json');
    const both = replacePart(`${other}\n${page('old')}`, 'bench/results.json', 'new');
    expect(both).toBe(`${other}\n${page('new')}`);
  });

  it('throws for a page without the comments', () => {
    expect(() => replacePart('before', 'bench/results.json', 'new')).toThrow(
      /performance.md: expected/,
    );
  });
});
