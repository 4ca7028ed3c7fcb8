import type { Dashboard, Panel } from '../../../tools/chart/dashboards.ts';
import type { RecordedDashboards, RecordedSeries } from '../../../tools/docs/dashboard-data.ts';
import type { QueriedSeries } from '../../prometheus-server.ts';

/** A query of a panel, and what Prometheus returned for it. */
export type RecordedQuery = {
  readonly dashboard: Dashboard;
  readonly panel: Panel;
  /** In Grafana's notation. */
  readonly legend: string;
  readonly result: readonly QueriedSeries[];
};

/** Times in seconds. */
type Range = { readonly start: number; readonly end: number; readonly stepSeconds: number };

/** A picture is some hundred pixels wide, and can show so many lines. */
const MAX_POINTS = 72;
const MAX_SERIES = 6;
const SIGNIFICANT_DIGITS = 3;

/** Writes the results of queries as docs/images/dashboards.json, of which `make docs` draws the pictures. */
export const recordDashboards = (queries: readonly RecordedQuery[], range: Range): string => {
  const dashboards: Record<string, Record<string, readonly RecordedSeries[]>> = {};
  const stepSeconds =
    Math.ceil((range.end - range.start) / MAX_POINTS / range.stepSeconds) * range.stepSeconds;
  for (const { dashboard, panel, legend, result } of queries) {
    const panels = (dashboards[dashboard.name] ??= {});
    const series = result.map((each) => toRecordedSeries(each, legend, { ...range, stepSeconds }));
    panels[panel.title] = [...(panels[panel.title] ?? []), ...selectLargest(series)];
  }
  return `${JSON.stringify({ stepSeconds, dashboards } satisfies RecordedDashboards)}\n`;
};

const toRecordedSeries = (
  { metric, values }: QueriedSeries,
  legend: string,
  { start, end, stepSeconds }: Range,
): RecordedSeries => {
  const points = Array<number | null>(Math.ceil((end - start) / stepSeconds)).fill(null);
  for (const [time, text] of values) {
    const value = Number(text);
    const index = Math.min(points.length - 1, Math.floor((time - start) / stepSeconds));
    if (Number.isFinite(value)) points[index] = Number(value.toPrecision(SIGNIFICANT_DIGITS));
  }
  return {
    legend: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ''),
    values: points,
  };
};

const getLargest = ({ values }: RecordedSeries): number =>
  Math.max(...values.map((value) => value ?? -Infinity));

const selectLargest = (series: readonly RecordedSeries[]): readonly RecordedSeries[] =>
  series
    .filter((each) => getLargest(each) > -Infinity)
    .toSorted(
      (one, other) =>
        getLargest(other) - getLargest(one) || one.legend.localeCompare(other.legend, 'en'),
    )
    .slice(0, MAX_SERIES);
