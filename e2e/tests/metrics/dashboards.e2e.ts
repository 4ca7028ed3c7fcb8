import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { waitFor } from '../../../test/kit/retry.ts';
import { readRecordingRules } from '../../../tools/chart/alert-rules.ts';
import { DASHBOARDS, replaceVariables } from '../../../tools/chart/dashboards.ts';
import { recordMeasurement } from '../../measurements.ts';
import { createPrometheusClient, ENTRY_PROMETHEUS } from '../../prometheus-server.ts';
import type { QueriedSeries } from '../../prometheus-server.ts';
import {
  buildBearerSpec,
  createUpstream,
  deleteUpstream,
  getUpstreamName,
} from '../gateway/upstream-objects.ts';
import { waitForRecord } from '../authority/audit-records.ts';
import {
  buildAgentPod,
  callSidecarWithRetry,
  cloud,
  createNamespace,
  expectApiRefusal,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import { recordDashboards, type RecordedQuery } from './dashboard-recording.ts';
import { QUERIES_OF_RARE_EVENTS, QUERIES_WITHOUT_DATA } from './queries-without-data.ts';

const { node, entry } = testContext;
if (node === undefined)
  throw new Error('expected a cluster on this machine: Prometheus runs on it');

const STEP_SECONDS = 15;

const hasData = (result: readonly QueriedSeries[]): boolean =>
  result.some(({ values }) => values.some(([, value]) => Number.isFinite(Number(value))));

const formatName = ({ dashboard, panel, legend }: RecordedQuery): string =>
  `${dashboard.name}: ${panel.title}: ${legend}`;

/** Prometheus has scraped all tests of the entry so far, which are its load. */
describe(`dashboards and recording rules (${cloud.name})`, () => {
  const prometheus = createPrometheusClient(node.namespace, ENTRY_PROMETHEUS.port);
  let start = 0;
  let end = 0;
  let agentNamespace = '';

  const upstream = getUpstreamName('metrics');

  /** Only the last values: what the server scrapes now. */
  const waitForData = (expr: string) =>
    waitFor(`data for ${expr}`, async () => {
      const now = Date.now() / 1000;
      return hasData(await prometheus.queryRange({ expr, start: now, end: now, stepSeconds: 1 }));
    });

  beforeAll(async () => {
    start = await prometheus.readStartTime();
    const namespace = await createNamespace('metrics');
    agentNamespace = namespace;
    await runPod({ name: 'agent', namespace, tasks: { read: readReports } });
    // What no other test causes while a replica runs for long enough.
    const tasks = { read: { ...readReports, lifetime: '100h' } };
    await expectApiRefusal(buildAgentPod({ name: 'denied', namespace, tasks }));
    const origin = 'http://10.10.0.1:18080';
    const kubernetes = { name: upstream, key: 'token', maxAge: '90d' };
    await createUpstream(upstream, {
      spec: { ...buildBearerSpec(upstream, origin), secret: { kubernetes } },
      secret: { text: `metrics-${randomUUID()}`, origin },
    });
    await waitForData('valetkey_authority_secret_max_age_seconds');
    await waitForData('rate(valetkey_webhook_admissions_total{outcome="denied"}[1m])');
    await waitForData('rate(apiserver_admission_webhook_rejection_count[1m])');
    await waitForData('up{job="valetkey-sidecars"} == 1');
    end = Date.now() / 1000;
    // The last step is now, so that it includes what was just awaited.
    start = end - Math.ceil((end - start) / STEP_SECONDS) * STEP_SECONDS;
  });

  afterAll(() => deleteUpstream(upstream));

  const query = (expr: string) =>
    prometheus.queryRange({ expr, start, end, stepSeconds: STEP_SECONDS });

  /** Every query of every panel, with its result. */
  const queryPanels = async (): Promise<readonly RecordedQuery[]> => {
    const results: RecordedQuery[] = [];
    for (const dashboard of DASHBOARDS)
      for (const panel of dashboard.panels)
        for (const [expr, legend] of panel.queries) {
          const replaced = replaceVariables(expr, { rateInterval: '1m', namespace: '.+' });
          results.push({ dashboard, panel, legend, result: await query(replaced) });
        }
    return results;
  };

  it('scrapes each job of docs/prometheus.md', async () => {
    for (const job of ['kubernetes-apiservers', 'valetkey', 'valetkey-sidecars'])
      expect([job, hasData(await query(`up{job="${job}"} == 1`))]).toEqual([job, true]);
  });

  it('finds data for each query of each dashboard, except for those that are listed', async () => {
    const results = await queryPanels();
    const empty = results.filter(({ result }) => !hasData(result));
    const names = empty.map(formatName);
    const known = results.map(formatName);
    recordMeasurement(testContext.folder, {
      entry,
      name: 'queries of dashboards that returned data',
      value: `${results.length - empty.length} of ${results.length}`,
    });
    const folder = process.env['VALETKEY_E2E_SCREENSHOTS'];
    if (folder !== undefined)
      writeFileSync(
        join(folder, 'dashboards.json'),
        recordDashboards(results, { start, end, stepSeconds: STEP_SECONDS }),
      );
    expect(Object.keys(QUERIES_OF_RARE_EVENTS).filter((name) => !known.includes(name))).toEqual([]);
    expect(names.filter((name) => !(name in QUERIES_OF_RARE_EVENTS)).toSorted()).toEqual(
      Object.keys(QUERIES_WITHOUT_DATA).toSorted(),
    );
  });

  it('keeps exemplars with the run of a slow exchange, which a record names too', async () => {
    const place = { namespace: agentNamespace, pod: 'agent' };
    expect((await callSidecarWithRetry(place, 'GET', '/v1/credentials')).status).toBe(200);
    const queryRuns = async (expr: string): Promise<readonly (string | undefined)[]> => {
      const exemplars = await prometheus.queryExemplars({ expr, start, end: Date.now() / 1000 });
      return exemplars.map(({ labels }) => labels['run_id']);
    };
    const selector = `{namespace="${agentNamespace}",pod="agent",outcome="issued"}`;
    const run = await waitFor('an exemplar of the exchange of the pod', async () =>
      (await queryRuns(`valetkey_sidecar_exchange_duration_seconds_bucket${selector}`)).at(0),
    );
    await waitForRecord(
      `the issue of run ${run}`,
      ({ session, unmapped }) => unmapped.kind === 'run.issued' && session?.uid === run,
    );
    const issued = '{route="token",outcome="done"}';
    const runs = await waitFor('exemplars of the authority', async () => {
      const found = await queryRuns(`valetkey_authority_request_duration_seconds_bucket${issued}`);
      return found.length > 0 && found;
    });
    for (const each of runs) expect(each).toMatch(/^[a-z2-7]{32}$/);
  });

  it('finds values for each variable of each dashboard', async () => {
    const metrics = DASHBOARDS.flatMap(({ variables = {} }) => Object.entries(variables));
    for (const [label, metric] of metrics)
      expect([metric, hasData(await query(`count by (${label}) (${metric})`))]).toEqual([
        metric,
        true,
      ]);
  });

  it('finds data for each recording rule', async () => {
    const empty: string[] = [];
    for (const { record, labels = {} } of readRecordingRules()) {
      const selector = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
      const expr = `${record}{${selector.join(',')}}`;
      if (!hasData(await query(expr))) empty.push(expr);
    }
    expect(empty).toEqual([]);
  });
});
