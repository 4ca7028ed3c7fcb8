import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';

import {
  listExemplars,
  parseOpenMetrics,
  PROMETHEUS_ACCEPT,
} from '../../../test/kit/openmetrics.ts';
import { AUTHORITY_METRICS, createAuthorityMetrics } from './authority-metrics.ts';
import { toExemplarLabels } from './exemplar.ts';
import type { MetricSpec } from './metric-spec.ts';
import { createMetricsServer, type MetricsServerDeps } from './metrics-server.ts';
import { createSidecarMetrics, SIDECAR_METRICS } from './sidecar-metrics.ts';
import { createWebhookMetrics, WEBHOOK_METRICS } from './webhook-metrics.ts';

const RUN = 'abcdefghijklmnopqrstuvwxyz234567';
const REQUEST = '0d7f8f2e-5a52-4f3e-9d8f-111111111111';
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const readIds = () => ({ request: REQUEST, trace: TRACE });

type Program = {
  readonly program: string;
  readonly specs: readonly MetricSpec[];
  /** Metrics with a value in each histogram that has exemplars. */
  readonly createMetrics: () => Pick<MetricsServerDeps, 'render'>;
  /** Labels of the exemplars, by histogram. */
  readonly exemplars: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>;
};

const createObservedWebhook = () => {
  const secondsSinceSync = { 'injection-templates': () => 1, taskpolicies: () => 1 };
  const metrics = createWebhookMetrics({ now: () => 0, secondsSinceSync, readIds });
  const answer = { operation: 'mutate', outcome: 'patched', reason: 'none' } as const;
  metrics.admissionAnswered({ ...answer, seconds: 0.002 });
  return metrics;
};

const createObservedAuthority = () => {
  const metrics = createAuthorityMetrics({
    now: () => 0,
    secondsSinceSync: {
      taskpolicies: () => 1,
      revocations: () => 1,
      upstreams: () => 1,
      'injection-templates': () => 1,
    },
    transmitters: ['https://events.example/"quoted"\\'],
    readAuditVolume: () => Promise.resolve({ sizeBytes: 2, freeBytes: 1 }),
    readIds,
  });
  const token = { route: 'token', seconds: 0.2 } as const;
  metrics.requestAnswered({ ...token, reason: undefined, status: 200, run: RUN });
  metrics.requestAnswered({ ...token, reason: 'policy_denied', status: 403, run: undefined });
  metrics.gatedCall({ outcome: 'allowed', seconds: 0.003, run: RUN });
  metrics.approvalDecided({ waitSeconds: 20_000, run: RUN });
  return metrics;
};

const createObservedSidecar = () => {
  const metrics = createSidecarMetrics({
    tasks: ['summarize'],
    readExpirations: () => new Map([['summarize', 1_900_000_000_500]]),
    readBudgetShares: () => [],
    readGates: () => [],
    authority: () => ({ isConnected: true, lastContactAt: 1 }),
    gateway: () => undefined,
  });
  const exchange = { task: 'summarize', seconds: 0.2 };
  const ids = { request: REQUEST, trace: TRACE };
  metrics.exchangeEnded({ ...exchange, outcome: 'issued', ids: { ...ids, run: RUN } });
  metrics.exchangeEnded({ ...exchange, outcome: 'refused', ids });
  const call = { id: 'call-1', permissions: [], bytesIn: 1, bytesOut: 1, overheadMs: 0.3 };
  metrics.callEnded({ ...call, outcome: 'allowed', run: RUN, ms: 70_000 });
  metrics.callEnded({ ...call, outcome: 'refused', ms: 1 });
  return metrics;
};

const OF_RUN = { run_id: RUN, trace_id: TRACE };
const OF_REQUEST = { request_id: REQUEST, trace_id: TRACE };

const PROGRAMS: readonly Program[] = [
  {
    program: 'webhook',
    specs: WEBHOOK_METRICS,
    createMetrics: createObservedWebhook,
    exemplars: { valetkey_webhook_admission_duration_seconds: [OF_REQUEST] },
  },
  {
    program: 'authority',
    specs: AUTHORITY_METRICS,
    createMetrics: createObservedAuthority,
    exemplars: {
      valetkey_authority_request_duration_seconds: [OF_RUN, OF_REQUEST],
      valetkey_authority_gated_call_duration_seconds: [OF_RUN],
      valetkey_authority_approval_wait_seconds: [OF_RUN],
    },
  },
  {
    program: 'sidecar',
    specs: SIDECAR_METRICS,
    createMetrics: createObservedSidecar,
    exemplars: {
      valetkey_sidecar_exchange_duration_seconds: [OF_RUN, OF_REQUEST],
      valetkey_sidecar_call_duration_seconds: [{ run_id: RUN }],
      valetkey_sidecar_call_overhead_seconds: [{ run_id: RUN }],
    },
  },
];

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

const serve = async (metrics: Pick<MetricsServerDeps, 'render'>) => {
  const server = createMetricsServer({ render: metrics.render, unready: () => [] });
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return async (accept: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
      headers: { Accept: accept },
    });
    return { type: response.headers.get('content-type'), text: await response.text() };
  };
};

describe.each(PROGRAMS)('/metrics of the $program', ({ specs, createMetrics, exemplars }) => {
  it('is valid OpenMetrics with every documented metric for a Prometheus', async () => {
    const request = await serve(createMetrics());
    const { type, text } = await request(PROMETHEUS_ACCEPT);
    expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    const families = parseOpenMetrics(text).map((family) => [
      family.type === 'counter' ? `${family.name}_total` : family.name,
      family.type,
    ]);
    expect(families.toSorted()).toEqual(specs.map((spec) => [spec.name, spec.type]).toSorted());
  });

  it('has exemplars of its documented histograms only, with their documented labels', async () => {
    const request = await serve(createMetrics());
    const { text } = await request(PROMETHEUS_ACCEPT);
    const documented = specs.filter((spec) => spec.exemplars !== undefined);
    expect(documented.map(({ name }) => name).toSorted()).toEqual(
      Object.keys(exemplars).toSorted(),
    );
    for (const { name } of specs) expect(listExemplars(text, name)).toEqual(exemplars[name] ?? []);
    for (const { name, exemplars: labels } of documented) {
      const found = new Set(listExemplars(text, name).flatMap((each) => Object.keys(each)));
      expect([...(labels ?? [])]).toEqual(expect.arrayContaining([...found]));
    }
  });

  it('is text without exemplars for other clients, also during and after a scrape of OpenMetrics', async () => {
    const request = await serve(createMetrics());
    const answers = await Promise.all(
      ['*/*', PROMETHEUS_ACCEPT, 'text/plain;version=0.0.4', PROMETHEUS_ACCEPT].map(request),
    );
    answers.push(await request('*/*'));
    const texts = answers.filter(({ type }) => type?.startsWith('text/plain') === true);
    expect(texts.map(({ type }) => type)).toEqual(
      Array(3).fill('text/plain; version=0.0.4; charset=utf-8'),
    );
    for (const { text } of texts) {
      expect(text).not.toMatch(/ # |# EOF/);
      const types = Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, ...type]) => type);
      expect(types.toSorted()).toEqual(specs.map(({ name, type }) => [name, type]).toSorted());
    }
  });

  it('has the same samples in both formats', async () => {
    const { render } = createMetrics();
    const listSamples = (text: string): readonly string[] =>
      text
        .split('\n')
        .filter((line) => line.startsWith('valetkey_'))
        .map((line) => line.replace(/ # .*/, ''));
    expect(listSamples(await render('openmetrics'))).toEqual(listSamples(await render('text')));
  });
});

describe('toExemplarLabels', () => {
  it('has the request only where there is no run', () => {
    expect(toExemplarLabels({ run: RUN, request: REQUEST })).toEqual({ run_id: RUN });
    expect(toExemplarLabels({ request: REQUEST })).toEqual({ request_id: REQUEST });
    expect(toExemplarLabels({})).toEqual({});
  });

  it('stays within the 128 characters of OpenMetrics with the longest IDs', () => {
    const longest = 'x'.repeat(64);
    for (const ids of [{ run: longest }, { request: longest }]) {
      const labels = toExemplarLabels({ ...ids, trace: TRACE });
      expect(Object.entries(labels).flat().join('').length).toBeLessThanOrEqual(128);
    }
  });

  it.each([
    ['a token', `eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.${'s'.repeat(40)}`],
    ['a secret key', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'],
    ['a role', 'arn:aws:iam::111122223333:role/agent'],
    ['text with a quotation mark', 'a"b'],
    ['long text', 'x'.repeat(65)],
    ['nothing', ''],
  ])('leaves out %s', (_, text) => {
    expect(toExemplarLabels({ run: text, request: text, trace: text })).toEqual({});
  });
});
