import { describe, expect, it } from '@jest/globals';
import { renderBarChart } from './bar-chart.ts';

const chart = {
  title: 'Rates & ratios',
  description: 'a: 0.5; b: 2',
  bars: [
    { label: 'a < b', value: 0.5, text: '0.5', goal: 0.75, isMet: false },
    { label: 'b', value: 2, text: '2', goal: 1, isMet: true },
    { label: 'c', value: 1, text: '1' },
  ],
  reference: { value: 1, label: 'bare Go' },
};

const readAttribute = (svg: string, pattern: RegExp): readonly number[] =>
  Array.from(svg.matchAll(pattern), ([, number]) => Number(number));

describe('renderBarChart', () => {
  const svg = renderBarChart(chart);

  it('draws bars as long as their values, on one scale with goals and the reference', () => {
    const [a = 0, b = 0, c = 0] = readAttribute(svg, /y="\d+" width="([\d.]+)" height="14"/g);
    expect([a / c, b / c]).toEqual([0.5, 2]);
    const [first = 0, second = 0] = readAttribute(svg, /class="goal" x1="([\d.]+)"/g);
    const [reference] = readAttribute(svg, /class="reference" x1="([\d.]+)"/g);
    expect(second).toBe(reference);
    expect((second - first) / c).toBe(0.25);
  });

  it('colors bars by their goals, and explains only the colors that it has', () => {
    expect(svg.match(/class="(?:met|missed|plain)"/g)).toHaveLength(6);
    const without = renderBarChart({ ...chart, bars: chart.bars.slice(2) });
    expect(without).not.toContain('goal met');
    expect(without).not.toContain('class="goal"');
  });

  it('has its title and its values as text, and colors for light and dark', () => {
    expect(svg).toContain('<title id="title">Rates &amp; ratios</title>');
    expect(svg).toContain('<desc id="description">a: 0.5; b: 2</desc>');
    expect(svg).toContain('a &lt; b');
    expect(svg).toContain('@media (prefers-color-scheme: dark)');
  });

  it('is the same for the same values, and loads nothing', () => {
    expect(renderBarChart(chart)).toBe(svg);
    expect(svg).not.toMatch(/href|url\(|<script/);
  });

  it('throws without bars', () => {
    expect(() => renderBarChart({ ...chart, bars: [] })).toThrow('Rates & ratios: expected bars');
  });
});
