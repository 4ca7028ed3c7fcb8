import { describe, expect, it } from '@jest/globals';
import { compareRuns, listCells, parseTable, type PrintedRow } from './comparison.ts';
import { renderTable, toRow } from './rows.ts';

const rate = (value: number, ratio?: number): PrintedRow => ({
  name: 'runs issued',
  value,
  unit: 'runs per core-second',
  ratio,
});
const time = (value: number): PrintedRow => ({
  name: 'start',
  value,
  unit: 'ms',
  ratio: undefined,
});
const toRuns = (rows: readonly PrintedRow[]) => rows.map((row) => [row]);

const listResults = (old: readonly PrintedRow[], after: readonly PrintedRow[]) =>
  compareRuns({ old: toRuns(old), new: toRuns(after) }).map(({ result }) => result);

describe('parseTable', () => {
  it('reads the rows of the table that the benchmark prints, and ignores its notes', () => {
    const rows = [
      toRow({ name: 'admission, p99', unit: 'ms', values: [3.4], baselines: [2] }),
      toRow({ name: 'gateway, GET 1 KiB × 16', unit: 'requests per second', values: [123_456] }),
      toRow({ name: 'start', unit: 'ms', values: [0.0000001], baselines: [] }),
    ];
    expect(parseTable(renderTable(rows))).toEqual([
      { name: 'admission, p99', value: 3.4, unit: 'ms', ratio: 1.7 },
      { name: 'gateway, GET 1 KiB × 16', value: 123_000, unit: 'requests per second' },
      { name: 'start', value: 1e-7, unit: 'ms' },
    ]);
  });

  it('throws for another text', () => {
    expect(() => parseTable('ready\n')).toThrow(/table of bench/);
  });
});

describe('compareRuns', () => {
  it('calls a higher rate better and a higher time worse', () => {
    expect(listResults([rate(100), rate(104)], [rate(120), rate(130)])).toEqual(['better']);
    expect(listResults([time(100), time(104)], [time(120), time(130)])).toEqual(['worse']);
  });

  it('finds no difference if the ranges overlap, however far the medians are apart', () => {
    expect(
      listResults([rate(100), rate(100), rate(150)], [rate(140), rate(200), rate(200)]),
    ).toEqual(['no difference']);
  });

  it('finds no difference if the medians differ by 5 % at most, though the ranges do not overlap', () => {
    expect(listResults([rate(100), rate(101)], [rate(104), rate(105)])).toEqual(['no difference']);
  });

  it('compares the ratio to the bare Go program beside the value', () => {
    const numbers = compareRuns({ old: [[rate(100, 0.5)]], new: [[rate(100, 0.6)]] });
    expect(numbers.map(({ unit, result }) => [unit, result])).toEqual([
      ['runs per core-second', 'no difference'],
      ['ratio', 'better'],
    ]);
  });

  it('lists a row that only one checkout has', () => {
    expect(listResults([rate(1)], [time(1)])).toEqual(['only new', 'only old']);
  });

  it('compares a renamed row under its new name', () => {
    const renamed = { began: 'start' };
    const old = [[{ ...time(10), name: 'began' }]];
    const [number] = compareRuns({ old, new: [[time(20)]] }, renamed);
    expect(number).toMatchObject({ name: 'start', result: 'worse', change: 1 });
  });

  it('finds no change between two medians of 0, and a difference from 0', () => {
    expect(listResults([time(0)], [time(0)])).toEqual(['no difference']);
    expect(listResults([time(0)], [time(1)])).toEqual(['worse']);
  });
});

describe('listCells', () => {
  it('shows the median and the range of both, the change and the result', () => {
    const numbers = compareRuns({ old: [[time(10)], [time(12)]], new: [[time(22)]] });
    expect(listCells(numbers)[1]).toEqual([
      'start',
      'ms',
      '11 [10 … 12]',
      '22 [22 … 22]',
      '+100.0 %',
      'worse',
    ]);
  });

  it('shows a dash where a checkout has no such row', () => {
    expect(listCells(compareRuns({ old: [], new: [[time(22)]] }))[1]?.[2]).toBe('–');
  });
});
