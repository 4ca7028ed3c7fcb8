import { describe, expect, it } from '@jest/globals';

import { renderChartSheet, type ChartPanel } from './chart-sheet.ts';

const panel: ChartPanel = {
  ...{ x: 0, y: 0, width: 480, height: 200 },
  title: 'Runs & calls',
  kind: 'lines',
  formatValue: (value) => `${value}/s`,
  stepSeconds: 60,
  series: [
    { legend: 'a <b>', values: [0, 2, 4, null, 4] },
    { legend: 'c', values: [4, 2, 0, 0, 0] },
  ],
};
const render = (...panels: readonly ChartPanel[]) =>
  renderChartSheet({ title: 'Valetkey / Fleet', description: 'Runs & calls', width: 480, panels });

const listPaths = (svg: string): readonly string[] =>
  Array.from(svg.matchAll(/ d="([^"]*)"/g), ([, path = '']) => path);

describe('renderChartSheet', () => {
  it('draws a line for each series on one scale, with gaps where there is no value', () => {
    const [first = '', second = ''] = listPaths(render(panel));
    expect(first.match(/[ML]/g)).toEqual(['M', 'L', 'L', 'M']);
    const [start = ''] = second.split('L');
    expect(start.replace('M', '').split(' ')[1]).toBe(
      first.split('L')[2]?.split('M')[0]?.split(' ')[1],
    );
  });

  it('draws a value without neighbors as a dot', () => {
    const series = [{ legend: 'a', values: [null, 1, null] }];
    expect(listPaths(render({ ...panel, series }))[0]).toMatch(/^M[\d.]+ [\d.]+h1\.5$/);
  });

  it('labels the axes with values, and with minutes since the beginning', () => {
    const svg = render(panel);
    for (const label of ['0/s', '2/s', '4/s', '0 min', '2 min', '4 min'])
      expect(svg).toContain(`>${label}</text>`);
  });

  it('shows the last value of each series', () => {
    const svg = render({ ...panel, kind: 'values' });
    expect(svg).toContain('>4/s</text>');
    expect(svg).toContain('>0/s</text>');
    expect(listPaths(svg)).toEqual([]);
  });

  it('says that a panel has no data', () => {
    expect(render({ ...panel, series: [] })).toContain('>no data</text>');
  });

  it('escapes texts, has colors for light and dark, and loads nothing', () => {
    const svg = render(panel);
    expect(svg).toContain('<desc id="description">Runs &amp; calls</desc>');
    expect(svg).toContain('a &lt;b&gt;');
    expect(svg).toContain('@media (prefers-color-scheme: dark)');
    expect(svg).not.toMatch(/href|url\(|<script/);
  });
});
