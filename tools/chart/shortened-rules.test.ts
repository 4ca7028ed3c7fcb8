import { describe, expect, it } from '@jest/globals';

import { readRuleGroups } from './alert-rules.ts';
import { shortenRules } from './shortened-rules.ts';

const groups = readRuleGroups();
const shortened = shortenRules(groups, 20);

const DURATION = /\[\w+\]|\boffset \w+/g;

describe('shortenRules', () => {
  it('changes nothing except durations', () => {
    const normalize = (list: typeof groups) =>
      list.map(({ name, rules }) => ({
        name,
        rules: rules.map((rule) => ({
          ...rule,
          expr: rule.expr.replaceAll(DURATION, ''),
          for: undefined,
        })),
      }));
    expect(normalize(shortened)).toEqual(normalize(groups));
  });

  it('divides for, ranges and offsets', () => {
    const alert = {
      alert: 'A',
      expr: 'increase(a_total[10m]) > 0 unless a_total offset 1h',
      for: '5m',
      labels: { severity: 'warning' },
      annotations: { summary: '', description: '', runbook_url: '' },
    };
    expect(shortenRules([{ name: 'g', rules: [alert] }], 20)[0]?.rules[0]).toEqual({
      ...alert,
      expr: 'increase(a_total[30s]) > 0 unless a_total offset 180s',
      for: '15s',
    });
  });

  it('shortens every duration of every rule', () => {
    const listDurations = (list: typeof groups) =>
      list.flatMap(({ rules }) =>
        rules.flatMap(({ expr, ...rule }) => [
          ...(expr.match(DURATION) ?? []),
          ...('for' in rule ? [rule.for] : []),
        ]),
      );
    const before = listDurations(groups);
    const after = listDurations(shortened);
    expect(before.length).toBeGreaterThan(50);
    expect(after.filter((duration, index) => duration === before[index])).toEqual([]);
  });
});
