import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPeers } from '../../bench/peers.ts';
import { readResults, type PublishedResults } from '../../bench/results.ts';
import { renderMarkdownTable } from './markdown-table.ts';
import { renderGatewayTable, renderPeerTable } from './peers-tables.ts';
import { listPerformanceCharts, renderChartImages } from './performance-charts.ts';

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'performance.md');

/** What is between the two is written from the named file. */
const formatBegin = (source: string): string => `<!-- Written by make docs from ${source} -->`;
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
 * Replaces the part of a page that is written from a source.
 *
 * @throws Error if the page has no such part
 */
export const replacePart = (page: string, source: string, text: string): string => {
  const marker = formatBegin(source);
  const begin = page.indexOf(marker);
  const end = begin < 0 ? -1 : page.indexOf(END, begin);
  if (end < 0) throw new Error(`performance.md: expected ${marker} and ${END}`);
  return `${page.slice(0, begin)}${marker}\n\n${text}\n\n${page.slice(end)}`;
};

/** The page with the figures and the charts of bench/results.json, and the figures of peers beside ours. */
export const renderPerformancePage = (): string => {
  const results = readResults();
  const { rows } = results;
  const { admission, credentials, gateway } = readPeers();
  const images = renderChartImages(listPerformanceCharts(results));
  const parts = {
    'bench/results.json': `${renderFigures(results)}\n\n${images}`,
    'bench/peers.json: admission': renderPeerTable('admission, 8 KB review', admission, rows),
    'bench/peers.json: credentials': renderPeerTable('held credentials', credentials, rows),
    'bench/peers.json: gateway': renderGatewayTable(gateway, rows),
  };
  return Object.entries(parts).reduce(
    (page, [source, text]) => replacePart(page, source, text),
    readFileSync(PAGE, 'utf8'),
  );
};
