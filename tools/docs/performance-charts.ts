import type { PublishedResults } from '../../bench/results.ts';
import { renderBarChart } from './bar-chart.ts';
import type { Bar, BarChart } from './bar-chart.ts';

type Row = PublishedResults['rows'][number];

/** A chart of docs/performance.md, with the name of its file below docs/. */
export type PerformanceChart = BarChart & { readonly file: string };

const formatValue = (value: number): string =>
  value.toLocaleString('en-US', { maximumSignificantDigits: 3 });

/** `ratio ≥ 0.62` is a goal for the ratio, `≤ 18 MB` one for the value. */
const readGoal = (goal: string | null) => {
  const found = /^(?<ratio>ratio )?[≥≤=] (?<number>[\d.]+)/.exec(goal ?? '')?.groups;
  return found === undefined
    ? undefined
    : { isRatio: found['ratio'] !== undefined, number: Number(found['number']) };
};

/** The bar of a row's ratio to the baseline. A goal for the value is shown as the ratio that it is here. */
const toRatioBar = ({ name, baseline, ratio, goal, met }: Row): readonly Bar[] => {
  if (ratio === null || baseline === null) return [];
  const read = readGoal(goal);
  const number = read === undefined || read.isRatio ? read?.number : read.number / baseline;
  return [
    { label: name, value: ratio, text: formatValue(ratio), goal: number, isMet: met ?? undefined },
  ];
};

/** The bar of a row's value. */
const toValueBar = ({ name, value, unit, goal, met }: Row): Bar => ({
  label: name,
  value,
  text: `${formatValue(value)} ${unit}`,
  goal: readGoal(goal)?.number,
  isMet: met ?? undefined,
});

const describeBars = (bars: readonly Bar[]): string =>
  bars.map(({ label, text }) => `${label}: ${text}`).join('; ');

const isRate = ({ unit }: Row): boolean => / per (?:core-)?second$/.test(unit);
const BARE_GO = { value: 1, label: 'bare Go' };

/**
 * The charts of a run: rates, CPU and latency as ratios to the baseline, and memory as it is. Of the loads of the
 * gateway the medians are enough: the table has their 99th percentiles.
 */
export const listPerformanceCharts = ({ rows }: PublishedResults): readonly PerformanceChart[] => {
  const ratios = (isIncluded: (row: Row) => boolean) => rows.filter(isIncluded).flatMap(toRatioBar);
  const charts = [
    {
      file: 'images/performance-rates.svg',
      title: 'Rates, as a ratio to bare Go: longer is better',
      bars: ratios(isRate),
      reference: BARE_GO,
    },
    {
      file: 'images/performance-cpu.svg',
      title: 'CPU per request, as a ratio to bare Go: shorter is better',
      bars: ratios(({ name, unit }) => unit === 'µs per request' || name.includes(', CPU of ')),
      reference: BARE_GO,
    },
    {
      file: 'images/performance-latency.svg',
      title: 'Latency, as a ratio to bare Go: shorter is better',
      bars: ratios(({ name, unit }) => unit === 'ms' && /p50|percentile|median/.test(name)),
      reference: BARE_GO,
    },
    {
      file: 'images/performance-memory.svg',
      title: 'Memory: shorter is better',
      bars: rows.filter(({ unit }) => unit === 'MB').map(toValueBar),
    },
  ];
  return charts
    .filter(({ bars }) => bars.length > 0)
    .map((chart) => ({ ...chart, description: describeBars(chart.bars) }));
};

/** The charts as images of a page in docs/, each with its values as text. */
export const renderChartImages = (charts: readonly PerformanceChart[]): string =>
  charts.map(({ file, title, description }) => `![${title}. ${description}](${file})`).join('\n\n');

/** The files of the charts: name below docs/ → how it is written. */
export const listChartFiles = (readResults: () => PublishedResults): Record<string, () => string> =>
  Object.fromEntries(
    listPerformanceCharts(readResults()).map((chart) => [chart.file, () => renderBarChart(chart)]),
  );
