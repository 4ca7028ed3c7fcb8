import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { REFUSALS } from '../../lib/exchange/refusal-table.ts';
import { getValue } from '../../test/kit/kubernetes-objects.ts';
import {
  AUTHORITY_METRICS,
  createAuthorityMetrics,
} from '../../lib/edge/telemetry/authority-metrics.ts';
import { createSidecarMetrics, SIDECAR_METRICS } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { createWebhookMetrics, WEBHOOK_METRICS } from '../../lib/edge/telemetry/webhook-metrics.ts';

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
const values: unknown = parse(readFileSync(join(root, 'charts/valetkey/values.yaml'), 'utf8'));
/** Labels that a scrape adds to every series, and the value. */
const SCRAPED = ['namespace', 'pod', 'value'];

const matchAll = (text: string, pattern: RegExp): readonly string[] =>
  Array.from(text.matchAll(pattern), ([, found = '']) => found);

const listMetrics = (expr: string): readonly string[] =>
  matchAll(expr, /(valetkey_\w+)/g).map((name) => name.replace(/_(bucket|count|sum)$/, ''));

/** The series that every program has before its first request. */
const renderFreshMetrics = async (): Promise<readonly string[]> => {
  const unsynced = { now: () => 0, secondsSinceSync: {} as never };
  const texts = await Promise.all([
    createWebhookMetrics(unsynced).render(),
    createAuthorityMetrics({
      ...unsynced,
      readAuditVolume: () => Promise.resolve(undefined),
    }).render(),
    createSidecarMetrics({
      tasks: ['reports'],
      readExpirations: () => new Map(),
      authority: () => undefined,
      gateway: () => undefined,
    }).render(),
  ]);
  return texts.flatMap((text) => text.split('\n'));
};

/** Every selector of a counted series, with each alternative of a regular expression as its own. */
const listCountedSeries = (expr: string): readonly (readonly [string, readonly string[]])[] =>
  Array.from(expr.matchAll(/(?:rate|increase)\((\w+)(?:\{([^}]*)\})?\[/g)).flatMap(
    ([, name = '', selector = '']) =>
      Array.from(selector.matchAll(/(\w+)(=~|=)"([^"]*)"/g))
        .reduce<readonly (readonly string[])[]>(
          (lists, [, label, , value = '']) =>
            value
              .split('|')
              .flatMap((each) => lists.map((list) => [...list, `${label}="${each}"`])),
          [[]],
        )
        .map((labels) => [name, labels] as const),
  );

describe('alerts.yaml', () => {
  it.each(alerts)('$alert counts series that exist before the first event', async ({ expr }) => {
    const lines = await renderFreshMetrics();
    const absent = listCountedSeries(expr).filter(
      ([name, labels]) =>
        !lines.some((line) => line.startsWith(name) && labels.every((each) => line.includes(each))),
    );
    expect(absent).toEqual([]);
  });

  it.each(alerts.filter(({ expr }) => /rate\([^/]*\/[^]*rate\(/.test(expr)))(
    '$alert compares a share only with a floor of traffic',
    ({ expr }) => {
      expect(expr).toMatch(/ and sum(?: by \([^)]*\))? ?\(increase\([^)]*\)\) >= \d+$/);
    },
  );

  it.each([
    'ValetkeyWebhookAbsent',
    'ValetkeyAuthorityAbsent',
    'ValetkeyWebhookCertificateExpiring',
    'ValetkeyAuthorityCertificateExpiring',
    'ValetkeyWatchStale',
    'ValetkeyWebhookPoliciesStale',
    'ValetkeyAuditExportFailing',
    'ValetkeyAuditVolumeFilling',
    'ValetkeyAuditVolumeExhausted',
    'ValetkeyGrantsRejected',
    'ValetkeySidecarDisconnected',
    'ValetkeyVendExceptionEnding',
  ])('contains %s', (name) => {
    expect(alerts.map(({ alert }) => alert)).toContain(name);
  });

  it('counts failures of the authority for sidecars, and neither its decisions nor what ended itself', () => {
    const expr = alerts.find(({ alert }) => alert === 'ValetkeyExchangesFailing')?.expr;
    expect(expr).not.toContain('!="issued"');
    expect(expr).toContain('outcome!="abandoned"');
    expect(expr).toMatch(/outcome="refused"\}\[10m\]\) unless on \(namespace, pod\) \w+_connected/);
  });

  it('reports an exception seven days before its end, once for all replicas', () => {
    const expr = alerts.find(({ alert }) => alert === 'ValetkeyVendExceptionEnding')?.expr;
    expect(expr).toMatch(
      /^min by \(policy\) \(\w+_policy_until_\w+\) - time\(\) < 7 \* 24 \* 3600$/,
    );
  });

  it('reports cut-off sidecars together only if there are several', () => {
    const expr = alerts.find(({ alert }) => alert === 'ValetkeySidecarsDisconnected')?.expr;
    expect(expr).toMatch(/ and count\(valetkey_sidecar_authority_connected == 0\) >= 3$/);
  });

  it.each(alerts)('$alert names existing refusals and chart values', ({ expr, annotations }) => {
    const reasons = matchAll(expr, /reason=~?"([^"]*)"/g).flatMap((text) => text.split('|'));
    expect(reasons.filter((reason) => !(reason in REFUSALS))).toEqual([]);
    const text = `${annotations.summary} ${annotations.description}`;
    const groups = Object.keys(values as object).join('|');
    const named = matchAll(text, new RegExp(`(?<![/\\w])((?:${groups})(?:\\.[a-zA-Z]+)+)`, 'g'));
    expect(named.filter((path) => getValue(values, path) === undefined)).toEqual([]);
  });

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
