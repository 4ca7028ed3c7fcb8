import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readResults, type PublishedResults } from '../../bench/results.ts';
import { renderMarkdownTable } from './markdown-table.ts';
import { listPerformanceCharts, renderChartImages } from './performance-charts.ts';

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'performance.md');

/** What is between the two is written from bench/results.json. */
const BEGIN = '<!-- Written by make docs from bench/results.json -->';
const END = '<!-- End of the written part -->';

const NONE = '–';

const formatNumber = (value: number | null): string =>
  value === null ? NONE : value.toLocaleString('en-US', { maximumSignificantDigits: 3 });

const formatMet = (isMet: boolean | null): string =>
  isMet === null ? NONE : isMet ? 'yes' : '**no**';

/** The figures of a run as a table, and where it was made. */
export const renderFigures = ({ cpu, cores, node, load, rows }: PublishedResults): string => {
  const head = ['number', 'unit', 'Valetkey', 'bare Go', 'ratio', 'goal', 'met'];
  const cells = rows.map(({ name, unit, value, baseline, ratio, goal, met }) => [
    name,
    unit,
    formatNumber(value),
    formatNumber(baseline),
    formatNumber(ratio),
    goal ?? NONE,
    formatMet(met),
  ]);
  const machine = `${cores} cores of ${cpu}, Node ${node}.`;
  const busy = `Load average of the machine before and after: ${load.before} and ${load.after}.`;
  return `${machine} ${busy}\n\n${renderMarkdownTable(head, cells)}`;
};

/**
 * Replaces the written part of a page.
 *
 * @throws Error if the page has no such part
 */
export const replaceFigures = (page: string, figures: string): string => {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`performance.md: expected ${BEGIN} and ${END}`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${figures}\n\n${page.slice(end)}`;
};

/** The page with the figures and the charts of bench/results.json. */
export const renderPerformancePage = (): string => {
  const results = readResults();
  const images = renderChartImages(listPerformanceCharts(results));
  return replaceFigures(readFileSync(PAGE, 'utf8'), `${renderFigures(results)}\n\n${images}`);
};
