import { describe, expect, it } from '@jest/globals';
import { renderTable, toRow } from './rows.ts';
import type { Goal } from './rows.ts';

const atLeast: Goal = { of: 'ratio', must: 'be at least', number: 1.2 };
const atMost: Goal = { of: 'value', must: 'be at most', number: 110 };
const once: Goal = { of: 'value', must: 'equal', number: 1 };

describe('rows', () => {
  it('a ratio is our median divided by the median of the bare program', () => {
    const row = toRow({
      name: 'admission',
      unit: 'requests',
      values: [90, 120, 500],
      baselines: [100, 80, 110],
      goal: atLeast,
    });
    expect(row).toEqual({
      name: 'admission',
      value: 120,
      unit: 'requests',
      baseline: 100,
      ratio: 1.2,
      goal: 'ratio ≥ 1.2',
      met: true,
    });
  });

  it('without a bare program a goal for the ratio is neither met nor missed', () => {
    const row = toRow({ name: 'a', unit: 'requests', values: [1], baselines: [], goal: atLeast });
    expect(row).toMatchObject({ baseline: null, ratio: null, met: null });
    expect(row.note).toMatch(/no Go/);
  });

  it('a value above its goal is not met', () => {
    const row = toRow({ name: 'start', unit: 'ms', values: [110.6], baselines: [5], goal: atMost });
    expect(row).toMatchObject({ goal: '≤ 110 ms', met: false });
  });

  it.each([
    [1, true],
    [2, false],
    [0, false],
  ])('%i calls meet the goal of exactly one: %s', (calls, met) => {
    const row = toRow({ name: 'c', unit: 'calls', values: [calls], goal: once });
    expect(row.met).toBe(met);
    expect(row.note).toBeUndefined();
  });

  it('the table says NO where a goal is not met, and the notes below', () => {
    const row = toRow({ name: 's', unit: 'ms', values: [200], baselines: [], goal: atMost });
    const lines = renderTable([row]).split('\n');
    expect(lines[1]).toMatch(/^s +200 ms +– +– +≤ 110 ms +NO$/);
    expect(lines[2]).toMatch(/^s: no Go/);
  });
});
