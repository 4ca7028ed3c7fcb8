import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readResults } from '../../bench/results.ts';
import { renderAdmissionPage } from './admission-page.ts';
import { renderApiPage } from './api-page.ts';
import { renderChartPage } from './chart-page.ts';
import { listDashboardPictures } from './dashboard-pictures.ts';
import { renderDashboardsPage } from './dashboards-page.ts';
import { renderMetricsPage } from './metrics-page.ts';
import { listChartFiles } from './performance-charts.ts';
import { renderPerformancePage } from './performance-page.ts';
import { renderRefusalsPage } from './refusals-page.ts';
import { renderReliabilityPage } from './reliability-page.ts';
import { renderResourcesPage } from './resources-page.ts';
import { renderSizingPage } from './sizing-page.ts';

const DOCS = join(import.meta.dirname, '../../docs');

/** The files, by their place from docs/, that are written from code, chart and benchmark. */
export const GENERATED_PAGES: Record<string, () => string> = {
  'admission.md': renderAdmissionPage,
  'api.md': renderApiPage,
  'dashboards.md': renderDashboardsPage,
  'metrics.md': renderMetricsPage,
  'performance.md': renderPerformancePage,
  'refusals.md': renderRefusalsPage,
  'reliability.md': renderReliabilityPage,
  'resources.md': renderResourcesPage,
  '../charts/valetkey/README.md': renderChartPage,
  'sizing.md': renderSizingPage,
  ...listChartFiles(readResults),
  ...listDashboardPictures(),
};

/** Names of the pages that are not as the code would write them. */
export const findStalePages = (folder = DOCS): string[] =>
  Object.entries(GENERATED_PAGES)
    .filter(([name, write]) => readPageFile(join(folder, name)) !== write())
    .map(([name]) => name);

const readPageFile = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

const main = (): void => {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  if (!values.check) {
    for (const [name, write] of Object.entries(GENERATED_PAGES)) {
      writeFileSync(join(DOCS, name), write());
    }
    return;
  }
  const stale = findStalePages();
  if (stale.length > 0) console.error(`not as generated, run \`make docs\`: ${stale.join(', ')}`);
  process.exitCode = stale.length === 0 ? 0 : 1;
};

if (import.meta.main) main();
