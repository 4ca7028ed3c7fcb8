import { describe, expect, it } from '@jest/globals';
import { readResults } from '../../bench/results.ts';
import { listPerformanceCharts, renderChartImages } from './performance-charts.ts';

const results = readResults();
const charts = listPerformanceCharts(results);

describe('listPerformanceCharts', () => {
  it('shows each rate, CPU time and latency that has a baseline, and each size of memory', () => {
    const shown = charts.flatMap(({ bars }) => bars.map(({ label }) => label));
    const expected = results.rows
      .filter(
        ({ name, unit, ratio }) =>
          unit === 'MB' ||
          (ratio !== null &&
            name !== 'sidecar from start to ready' &&
            unit !== 'calls' &&
            !name.endsWith(', p99')),
      )
      .map(({ name }) => name);
    expect(shown.toSorted()).toEqual(expected.toSorted());
  });

  it('colors a bar as the table does, on the side of its goal', () => {
    const bars = charts.flatMap((chart) => chart.bars);
    for (const { label, isMet } of bars) {
      expect([label, isMet ?? null]).toEqual([
        label,
        results.rows.find(({ name }) => name === label)?.met,
      ]);
    }
  });

  it('converts a goal for a value to the ratio that it is', () => {
    const row = {
      ...{ name: 'a rate', value: 500, unit: 'requests per second', baseline: 1000, ratio: 0.5 },
      ...{ goal: '≥ 250 requests per second', met: true },
    };
    const [rates] = listPerformanceCharts({ ...results, rows: [row] });
    expect(rates?.bars).toEqual([
      { label: 'a rate', value: 0.5, text: '0.5', goal: 0.25, isMet: true },
    ]);
  });
});

describe('renderChartImages', () => {
  it('has the values of each chart as its text', () => {
    const [first = ''] = renderChartImages(charts).split('\n');
    expect(first).toMatch(
      /^!\[Rates, as a ratio to bare Go: longer is better\. admission of an 8 KB review: [\d.]+; .*\]\(images\/performance-rates\.svg\)$/,
    );
  });
});
