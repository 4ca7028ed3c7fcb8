import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { AUTHORITY_METRICS } from '../../lib/edge/telemetry/authority-metrics.ts';
import { SIDECAR_METRICS } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { WEBHOOK_METRICS } from '../../lib/edge/telemetry/webhook-metrics.ts';

type Alert = {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
};

const root = join(import.meta.dirname, '..', '..');
const file = readFileSync(join(root, 'charts/valetkey/alerts.yaml'), 'utf8');
const { groups } = parse(file) as { groups: readonly { readonly rules: readonly Alert[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);
const listLabels = new Map<string, readonly string[]>(
  [...WEBHOOK_METRICS, ...AUTHORITY_METRICS, ...SIDECAR_METRICS].map(({ name, labels }) => [
    name,
    labels,
  ]),
);
/** Labels that a scrape adds to every series, and the value. */
const SCRAPED = ['namespace', 'pod', 'value'];

const matchAll = (text: string, pattern: RegExp): readonly string[] =>
  Array.from(text.matchAll(pattern), ([, found = '']) => found);

const listMetrics = (expr: string): readonly string[] =>
  matchAll(expr, /(valetkey_\w+)/g).map((name) => name.replace(/_(bucket|count|sum)$/, ''));

describe('alerts.yaml', () => {
  it('has unique names', () => {
    const names = alerts.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(10);
  });

  it.each(alerts)('$alert uses existing metrics and their labels', ({ expr }) => {
    const metrics = listMetrics(expr);
    expect(metrics.filter((name) => !listLabels.has(name))).toEqual([]);
    expect(metrics).not.toEqual([]);
    const known = [...metrics.flatMap((name) => listLabels.get(name) ?? []), 'le', ...SCRAPED];
    const grouped = matchAll(expr, /by \(([^)]*)\)/g).flatMap((labels) => labels.split(', '));
    const selected = matchAll(expr, /(\w+)(?:=~|!=|=)"/g);
    expect([...grouped, ...selected].filter((label) => !known.includes(label))).toEqual([]);
  });

  it.each(alerts)(
    '$alert has a severity, and texts that refer to existing labels, metrics and pages',
    ({ expr, labels, annotations }) => {
      expect(['critical', 'warning']).toContain(labels.severity);
      const text = `${annotations.summary} ${annotations.description}`;
      const known = [
        ...listMetrics(expr).flatMap((name) => listLabels.get(name) ?? []),
        ...SCRAPED,
      ];
      expect(matchAll(text, /\$labels\.(\w+)/g).filter((label) => !known.includes(label))).toEqual(
        [],
      );
      expect(listMetrics(text).filter((name) => !listLabels.has(name))).toEqual([]);
      const docs = matchAll(text, /(docs\/[\w-]+\.md)/g);
      expect(docs.filter((page) => !existsSync(join(root, page)))).toEqual([]);
    },
  );
});
