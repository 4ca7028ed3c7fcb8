import { describe, expect, it } from '@jest/globals';

import { readRuleGroups } from './alert-rules.ts';
import { shortenRules } from './shortened-rules.ts';

const groups = readRuleGroups();
const shortened = shortenRules(groups, 20);

const FLOOR = /(\bincrease\(.*?\[\w+\]\)+) >= \d+/gs;
const DURATION = /\[\w+\]|\boffset \w+/g;

describe('shortenRules', () => {
  it('changes nothing except durations, and floors of traffic', () => {
    const normalize = (list: typeof groups) =>
      list.map(({ name, rules }) => ({
        name,
        rules: rules.map((rule) => ({
          ...rule,
          expr: rule.expr.replaceAll(FLOOR, '$1').replaceAll(DURATION, ''),
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

  it('divides the least number of events in a range as the range, and leaves other thresholds', () => {
    const shorten = (expr: string) => {
      const rule = { record: 'a', expr };
      return shortenRules([{ name: 'g', rules: [rule] }], 20)[0]?.rules[0]?.expr;
    };
    expect(shorten('sum(increase(a_total[20m])) >= 40')).toBe('sum(increase(a_total[60s])) >= 2');
    expect(shorten('sum(increase(a_total[1m])) >= 3')).toBe('sum(increase(a_total[10s])) >= 1');
    const matched = 'sum(increase(a_total{name=~"a[.]b"}[1m])) > 0 and sum(increase(b_total[20m]))';
    expect(shorten(`${matched} >= 40`)).toContain('[60s])) >= 2');
    expect(shorten('count(a) >= 3')).toBe('count(a) >= 3');
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
