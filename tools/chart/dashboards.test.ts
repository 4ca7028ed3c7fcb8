import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import { listMetrics, readMetricLabels } from './alert-rules.ts';
import { DASHBOARDS, DASHBOARDS_FOLDER, listQueries, renderDashboard } from './dashboards.ts';

type Grid = { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
type Model = {
  readonly uid: string;
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: Grid;
  }[];
};

const readModel = (name: string): Model =>
  JSON.parse(readFileSync(join(DASHBOARDS_FOLDER, `${name}.json`), 'utf8')) as Model;
const queries = DASHBOARDS.flatMap((dashboard) =>
  listQueries(dashboard).map((expr) => ({ dashboard: dashboard.name, expr })),
);
const labels = readMetricLabels();
const SCRAPED = ['namespace', 'pod', 'le'];

const overlap = (one: Grid, other: Grid): boolean =>
  one.x < other.x + other.w &&
  other.x < one.x + one.w &&
  one.y < other.y + other.h &&
  other.y < one.y + one.h;

describe('dashboards', () => {
  it('are the files of the chart: run `node tools/chart/dashboards.ts` after a change', () => {
    expect(readdirSync(DASHBOARDS_FOLDER).sort()).toEqual(
      DASHBOARDS.map(({ name }) => `${name}.json`).sort(),
    );
    for (const dashboard of DASHBOARDS)
      expect(readFileSync(join(DASHBOARDS_FOLDER, `${dashboard.name}.json`), 'utf8')).toBe(
        renderDashboard(dashboard),
      );
  });

  it.each(DASHBOARDS)('$name has unique panels that do not overlap', ({ name }) => {
    const { uid, panels } = readModel(name);
    expect(uid).toBe(`valetkey-${name}`);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    const overlapping = panels.filter((panel, index) =>
      panels.slice(index + 1).some((other) => overlap(panel.gridPos, other.gridPos)),
    );
    expect(overlapping).toEqual([]);
    expect(panels.filter(({ gridPos }) => gridPos.x + gridPos.w > 24)).toEqual([]);
  });

  it.each(queries)(
    '$dashboard queries only metrics that the programs register: $expr',
    ({ expr }) => {
      const metrics = listMetrics(expr);
      expect(metrics).not.toEqual([]);
      expect(metrics.filter((metric) => !labels.has(metric))).toEqual([]);
      const known = [...metrics.flatMap((metric) => labels.get(metric) ?? []), ...SCRAPED];
      const grouped = Array.from(expr.matchAll(/(?:by|on) \(([^)]*)\)/g), ([, list = '']) =>
        list.split(', '),
      ).flat();
      const selected = Array.from(
        expr.matchAll(/(\w+)(?:=~|!~|!=|=)"/g),
        ([, label = '']) => label,
      );
      expect([...grouped, ...selected].filter((label) => !known.includes(label))).toEqual([]);
    },
  );

  it.each(DASHBOARDS)('$name names only labels of its metrics in legends', ({ panels }) => {
    for (const [expr, legend] of panels.flatMap((panel) => panel.queries)) {
      const known = [
        ...listMetrics(expr).flatMap((metric) => labels.get(metric) ?? []),
        ...SCRAPED,
      ];
      const named = Array.from(legend.matchAll(/\{\{(\w+)\}\}/g), ([, label = '']) => label);
      expect(named.filter((label) => !known.includes(label))).toEqual([]);
    }
  });

  it('show every metric of the webhook and the authority', () => {
    const shown = queries.flatMap(({ expr }) => listMetrics(expr));
    const ours = [...labels.keys()].filter((name) => /^valetkey_(webhook|authority)_/.test(name));
    expect(ours.filter((name) => !shown.includes(name))).toEqual([]);
  });
});
