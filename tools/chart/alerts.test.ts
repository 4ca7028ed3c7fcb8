import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { REFUSALS } from '../../lib/exchange/refusal-table.ts';
import { getValue } from '../../test/kit/kubernetes-objects.ts';
import { createAuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { createSidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { createWebhookMetrics } from '../../lib/edge/telemetry/webhook-metrics.ts';
import { ALERT_CASES } from './alert-cases.ts';
import { listMetrics, readAlerts, readMetricLabels, readRecordingRules } from './alert-rules.ts';

const root = join(import.meta.dirname, '..', '..');
const alerts = readAlerts();
const records = readRecordingRules();
const listLabels = readMetricLabels();
const values: unknown = parse(readFileSync(join(root, 'charts/valetkey/values.yaml'), 'utf8'));
/** Labels that a scrape adds to every series, and the value. */
const SCRAPED = ['namespace', 'pod', 'value'];

const matchAll = (text: string, pattern: RegExp): readonly string[] =>
  Array.from(text.matchAll(pattern), ([, found = '']) => found);

/** The series that every program has before its first request. */
const renderFreshMetrics = async (): Promise<readonly string[]> => {
  const unsynced = { now: () => 0, secondsSinceSync: {} as never, readIds: () => ({}) };
  const texts = await Promise.all([
    createWebhookMetrics(unsynced).render(),
    createAuthorityMetrics({
      ...unsynced,
      readAuditVolume: () => Promise.resolve(undefined),
      transmitters: ['https://events.example'],
    }).render(),
    createSidecarMetrics({
      tasks: ['reports'],
      readExpirations: () => new Map(),
      readBudgetShares: () => [],
      readGates: () => undefined,
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
        // The API server creates its series at the first event: rules compare with an offset.
        !name.startsWith('apiserver_') &&
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
    'ValetkeyCredentialsExpiring',
    'ValetkeyWebhookCallsFailing',
    'ValetkeyPodsRejected',
    'ValetkeyWebhookCapacityLow',
    'ValetkeyAuthorityCapacityLow',
    'ValetkeyErrorBudgetBurningFast',
    'ValetkeyErrorBudgetBurningSlow',
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
    const isKnown = (reason: string): boolean =>
      Object.keys(REFUSALS).some((code) => new RegExp(`^${reason}$`).test(code));
    expect(reasons.filter((reason) => !isKnown(reason))).toEqual([]);
    const text = `${annotations.summary} ${annotations.description}`;
    const groups = Object.keys(values as object).join('|');
    const named = matchAll(text, new RegExp(`(?<![/\\w])((?:${groups})(?:\\.[a-zA-Z]+)+)`, 'g'));
    expect(named.filter((path) => getValue(values, path) === undefined)).toEqual([]);
  });

  it.each(alerts)('$alert has a test of firing and one of not firing', ({ alert, labels }) => {
    const cases = ALERT_CASES.filter((each) => each.alert === alert);
    expect(cases.map(({ severity }) => severity)).toContain(labels.severity);
    expect(cases.flatMap(({ quiet }) => quiet)).not.toEqual([]);
  });

  it('has unique names', () => {
    const names = alerts.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(10);
  });

  it.each([...alerts, ...records])(
    '$alert$record uses existing metrics and their labels',
    (rule) => {
      const { expr } = rule;
      if (/^vector\([\d.]+\)$/.test(expr)) return;
      const metrics = listMetrics(expr);
      expect(metrics.filter((name) => !listLabels.has(name))).toEqual([]);
      expect(metrics).not.toEqual([]);
      const known = [...metrics.flatMap((name) => listLabels.get(name) ?? []), 'le', ...SCRAPED];
      const grouped = matchAll(expr, /by \(([^)]*)\)/g).flatMap((labels) => labels.split(', '));
      const selected = matchAll(expr, /(\w+)(?:=~|!~|!=|=)"/g);
      expect([...grouped, ...selected].filter((label) => !known.includes(label))).toEqual([]);
    },
  );

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

describe('service level objectives', () => {
  const objectives = ['admission', 'issuing', 'serving', 'revocation'];
  const listSlos = (name: string) =>
    records.filter(({ record }) => record === name).map(({ labels }) => labels?.['slo']);

  it.each([
    'slo:valetkey_objective:ratio',
    'slo:valetkey_events:rate5m',
    'slo:valetkey_errors:rate5m',
  ])('has %s for each objective', (name) => {
    expect(listSlos(name)).toEqual(objectives);
  });

  it('has the objectives of docs/slo.md', () => {
    const page = readFileSync(join(root, 'docs/slo.md'), 'utf8');
    const documented = Array.from(
      page.matchAll(/^\| `(\w+)` +\| ([\d.]+) %/gm),
      ([, slo, percent]) => [slo, `vector(${Number((Number(percent) / 100).toFixed(5))})`],
    );
    const recorded = records
      .filter(({ record }) => record === 'slo:valetkey_objective:ratio')
      .map(({ labels, expr }) => [labels?.['slo'], expr]);
    expect(documented).toEqual(recorded);
  });

  it('alerts on two windows each, a long and a short one', () => {
    const windows = (name: string) =>
      matchAll(alerts.find(({ alert }) => alert === name)?.expr ?? '', /ratio_rate(\w+)/g);
    expect(windows('ValetkeyErrorBudgetBurningFast')).toEqual(['1h', '5m', '6h', '30m']);
    expect(windows('ValetkeyErrorBudgetBurningSlow')).toEqual(['1d', '2h', '3d', '6h']);
  });
});

describe('docs/runbooks', () => {
  const folder = join(root, 'docs/runbooks');
  const manifest = readFileSync(join(root, 'manifests/valetkey.yaml'), 'utf8');

  it('has a page for each alert, and an alert for each page', () => {
    const pages = readdirSync(folder).filter((file) => file !== 'README.md');
    expect(pages.sort()).toEqual(alerts.map(({ alert }) => `${alert}.md`).sort());
  });

  it('is listed in docs/runbooks/README.md', () => {
    const index = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(alerts.filter(({ alert }) => !index.includes(`](${alert}.md)`))).toEqual([]);
  });

  it.each(alerts)('$alert links to its page', ({ alert, annotations }) => {
    expect(annotations.runbook_url).toBe(`https://valetkey.dev/docs/runbooks/${alert}`);
    const text = readFileSync(join(folder, `${alert}.md`), 'utf8');
    expect(matchAll(text, /^#+ (.*)$/gm)).toEqual([
      ...[alert, 'Meaning', 'Impact', 'Diagnosis', 'Mitigation'],
    ]);
    expect(text).toMatch(/^```sh\n(?:kubectl|curl|helm|aws)/m);
  });

  it.each(alerts)('$alert names existing chart values and objects', ({ alert }) => {
    const text = readFileSync(join(folder, `${alert}.md`), 'utf8');
    const groups = Object.keys(values as object).join('|');
    const named = matchAll(text, new RegExp(`\`((?:${groups})(?:\\.[a-zA-Z]+)+)\``, 'g'));
    const tuning = ['authority.tuning.'];
    const unknown = named.filter(
      (path) =>
        getValue(values, path) === undefined && !tuning.some((prefix) => path.startsWith(prefix)),
    );
    expect(unknown).toEqual([]);
    const objects = matchAll(text, /\b(valetkey-[a-z-]*[a-z])\b/g);
    expect(objects.filter((name) => !manifest.includes(name))).toEqual([]);
  });
});
