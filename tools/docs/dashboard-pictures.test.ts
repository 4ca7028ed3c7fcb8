import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import { DASHBOARDS, type Dashboard } from '../chart/dashboards.ts';
import type { RecordedDashboards } from './dashboard-data.ts';
import { renderDashboardPicture } from './dashboard-pictures.ts';

const file = join(import.meta.dirname, '../../docs/images/dashboards.json');
const recorded = JSON.parse(readFileSync(file, 'utf8')) as RecordedDashboards;

const dashboard: Dashboard = {
  name: 'example',
  title: 'Valetkey / Example',
  panels: [
    { title: 'Left', description: '', type: 'stat', unit: 's', queries: [['a', '{{b}}']] },
    { title: 'Share', description: '', type: 'stat', unit: 'percentunit', queries: [['a', 'b']] },
    { title: 'Memory', description: '', type: 'stat', unit: 'bytes', queries: [['a', 'b']] },
  ],
};

describe('renderDashboardPicture', () => {
  it('shows each panel with its recorded values in its unit', () => {
    const svg = renderDashboardPicture(dashboard, {
      stepSeconds: 15,
      dashboards: {
        example: {
          Left: [{ legend: 'b', values: [7200, 5400] }],
          Share: [{ legend: 'b', values: [0.125] }],
          Memory: [{ legend: 'b', values: [2 * 1024 * 1024] }],
        },
      },
    });
    for (const text of ['1.5 h', '12.5 %', '2 MiB']) expect(svg).toContain(`>${text}</text>`);
    for (const { title } of dashboard.panels) expect(svg).toContain(`>${title}</text>`);
  });

  it('says of a panel without recorded values that it has no data', () => {
    const svg = renderDashboardPicture(dashboard, { stepSeconds: 15, dashboards: {} });
    expect(svg.match(/>no data</g)).toHaveLength(dashboard.panels.length);
  });
});

describe('docs/images/dashboards.json', () => {
  it.each(DASHBOARDS)(
    'has only panels of $name, with as many values in each series',
    ({ name, panels }) => {
      const found = recorded.dashboards[name] ?? {};
      const titles = panels.map(({ title }) => title);
      expect(Object.keys(found).filter((title) => !titles.includes(title))).toEqual([]);
      const lengths = Object.values(found).flatMap((each) =>
        each.map(({ values }) => values.length),
      );
      expect(new Set(lengths).size).toBe(1);
    },
  );
});
