import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  COLUMNS,
  DASHBOARDS,
  placePanels,
  type Dashboard,
  type Panel,
} from '../chart/dashboards.ts';
import type { RecordedDashboards } from './dashboard-data.ts';
import { renderChartSheet } from './chart-sheet.ts';

const RECORDED = join(import.meta.dirname, '../../docs/images/dashboards.json');
/** Pixels of a column and of a row of Grafana's grid. */
const COLUMN = 40;
const ROW = 25;

const readRecordedDashboards = (): RecordedDashboards =>
  JSON.parse(readFileSync(RECORDED, 'utf8')) as RecordedDashboards;

const round = (value: number): string => String(Number(value.toPrecision(3)));

type Step = readonly [size: number, unit: string];

/** Chooses the largest unit that is not larger than the value. */
const formatIn = (value: number, steps: readonly Step[]): string => {
  const [size, unit] = steps.find((step) => Math.abs(value) >= step[0]) ?? [1, steps.at(-1)?.[1]];
  return value === 0 ? '0' : `${round(value / size)} ${unit ?? ''}`;
};

const DURATIONS: readonly Step[] = [
  ...([
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
    [0.001, 'ms'],
  ] as const),
  [0.000_001, 'µs'],
];
const SIZES: readonly Step[] = [
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
  [1, 'B'],
];

const FORMATS: Readonly<Record<Panel['unit'], (value: number) => string>> = {
  s: (value) => formatIn(value, DURATIONS),
  bytes: (value) => formatIn(value, SIZES),
  percentunit: (value) => `${round(value * 100)} %`,
  reqps: (value) => `${round(value)}/s`,
  short: round,
  none: round,
};

/** A dashboard as it looks with the recorded data, with the positions that its panels have in Grafana. */
export const renderDashboardPicture = (
  dashboard: Dashboard,
  { stepSeconds, dashboards }: RecordedDashboards,
): string => {
  const positions = placePanels(dashboard.panels);
  return renderChartSheet({
    title: dashboard.title,
    description: dashboard.panels.map(({ title }) => title).join('; '),
    width: COLUMNS * COLUMN,
    panels: dashboard.panels.map(({ title, type, unit }, index) => {
      const { x = 0, y = 0, w = 0, h = 0 } = positions[index] ?? {};
      return {
        ...{ x: x * COLUMN, y: y * ROW, width: w * COLUMN, height: h * ROW, title, stepSeconds },
        kind: type === 'stat' ? ('values' as const) : ('lines' as const),
        formatValue: FORMATS[unit],
        series: dashboards[dashboard.name]?.[title] ?? [],
      };
    }),
  });
};

export const getPictureFile = ({ name }: Dashboard): string => `images/dashboard-${name}.svg`;

/** The pictures: name below docs/ → how it is written. */
export const listDashboardPictures = (): Record<string, () => string> =>
  Object.fromEntries(
    DASHBOARDS.map((dashboard) => [
      getPictureFile(dashboard),
      () => renderDashboardPicture(dashboard, readRecordedDashboards()),
    ]),
  );
