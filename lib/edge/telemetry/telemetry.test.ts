import { once } from 'node:events';
import { get, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Writable } from 'node:stream';

import { afterEach, describe, expect, it } from '@jest/globals';

import { VERSION } from '../../contract/version.ts';
import {
  AUTHORITY_METRICS,
  createAuthorityMetrics,
  type AuthorityMetricsDeps,
} from './authority-metrics.ts';
import { createPinoLog } from './pino-log.ts';
import { createMetricsServer, type MetricsServerDeps } from './metrics-server.ts';
import { PROCESS_METRICS } from './process-metrics.ts';
import { SIDECAR_METRICS } from './sidecar-metrics.ts';
import { createWebhookMetrics, WEBHOOK_METRICS } from './webhook-metrics.ts';

const listNames = (text: string) =>
  [...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name).toSorted();

describe('createPinoLog', () => {
  const createTestLog = (level: 'info' | 'debug' = 'info') => {
    const lines: string[] = [];
    const write = (chunk: Buffer, _: string, done: () => void): void => {
      lines.push(chunk.toString());
      done();
    };
    return { lines, log: createPinoLog({ program: 'webhook', level }, new Writable({ write })) };
  };

  it('writes JSON lines with time, level, program, message and fields', () => {
    const { lines, log } = createTestLog();
    log.warn('template rejected', { reasons: ['1', '5'], count: 2 });
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    expect(Object.keys(line).sort()).toEqual(
      ['count', 'level', 'message', 'program', 'reasons', 'time'].sort(),
    );
    expect(line).toMatchObject({ level: 'warn', program: 'webhook', message: 'template rejected' });
    expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('writes no line below its level', () => {
    const { lines, log } = createTestLog('info');
    log.debug('detail');
    expect(lines).toEqual([]);
  });
});

const NO_SYNCS = {
  now: () => 1_900_000_000_000,
  readIds: () => ({}),
  secondsSinceSync: { 'injection-templates': () => undefined, taskpolicies: () => undefined },
};

describe('createWebhookMetrics', () => {
  it('registers every documented metric with its help text', async () => {
    const text = await createWebhookMetrics(NO_SYNCS).render();
    expect(listNames(text)).toEqual(WEBHOOK_METRICS.map(({ name }) => name).toSorted());
  });

  it.each(PROCESS_METRICS)('registers $name with its documented type', async ({ name, type }) => {
    const text = await createWebhookMetrics(NO_SYNCS).render();
    expect(text).toContain(`# TYPE ${name} ${type}\n`);
    if (type === 'gauge') expect(text).toMatch(new RegExp(`^${name} `, 'm'));
  });

  it('reports the length of the policy queue, and no sample without policy', async () => {
    const metrics = createWebhookMetrics(NO_SYNCS);
    expect(await metrics.render()).not.toMatch(/^valetkey_webhook_policy_queue_length/m);
    metrics.policyTasksQueued(3);
    expect(await metrics.render()).toContain('valetkey_webhook_policy_queue_length 3');
  });

  it('counts responses by operation, outcome and reason', async () => {
    const metrics = createWebhookMetrics(NO_SYNCS);
    const answer = { operation: 'mutate', outcome: 'denied', reason: '3', seconds: 0.002 } as const;
    metrics.admissionAnswered(answer);
    metrics.admissionAnswered(answer);
    expect(await metrics.render()).toContain(
      'valetkey_webhook_admissions_total{operation="mutate",outcome="denied",reason="3"} 2',
    );
  });

  it('reports when the certificate expires and whether it is trusted', async () => {
    const metrics = createWebhookMetrics(NO_SYNCS);
    const name = 'valetkey_webhook_certificate_expiration_timestamp_seconds';
    expect(await metrics.render()).not.toMatch(new RegExp(`^${name}`, 'm'));
    metrics.certificate({ notAfter: 1_900_000_000_000, isTrusted: false });
    const text = await metrics.render();
    expect(text).toContain(`${name} 1900000000`);
    expect(text).toContain('valetkey_webhook_ca_bundle_trusted 0');
  });

  it('reports when a watch last synced, and no sample before the first sync', async () => {
    let seconds: number | undefined = 7;
    const metrics = createWebhookMetrics({
      ...NO_SYNCS,
      secondsSinceSync: { ...NO_SYNCS.secondsSinceSync, taskpolicies: () => seconds },
    });
    const name = 'valetkey_webhook_watch_last_sync_timestamp_seconds';
    expect(await metrics.render()).toContain(`${name}{resource="taskpolicies"} 1899999993`);
    seconds = undefined;
    expect(await metrics.render()).not.toMatch(new RegExp(`^${name}`, 'm'));
  });

  it('starts the counters that alerts use at 0', async () => {
    const text = await createWebhookMetrics(NO_SYNCS).render();
    expect(text).toContain('{operation="validate",outcome="errored",reason="none"} 0');
    expect(text).toContain('valetkey_webhook_reconcile_errors_total{controller="certificate"} 0');
  });
});

describe('createAuthorityMetrics', () => {
  const deps: AuthorityMetricsDeps = {
    now: () => 1_900_000_000_000,
    readIds: () => ({}),
    secondsSinceSync: {
      taskpolicies: () => 3,
      revocations: () => undefined,
      upstreams: () => undefined,
      'injection-templates': () => undefined,
    },
    readAuditVolume: () => Promise.resolve(undefined),
    transmitters: ['https://events.example'],
  };

  it('registers every documented metric with its help text', async () => {
    const text = await createAuthorityMetrics(deps).render();
    expect(listNames(text)).toEqual(AUTHORITY_METRICS.map(({ name }) => name).toSorted());
  });

  it('reports the use and the maximum of each resource that is measured', async () => {
    const metrics = createAuthorityMetrics(deps);
    let used = 7;
    metrics.measureCapacity('audit_queue', () => ({ used, max: 8_192 }));
    used = 9;
    const text = await metrics.render();
    expect(text).toContain('valetkey_authority_capacity_used{resource="audit_queue"} 9');
    expect(text).toContain('valetkey_authority_capacity_max{resource="audit_queue"} 8192');
    expect(text).not.toContain('{resource="connections"}');
  });

  it('reports the version of the program', async () => {
    const text = await createAuthorityMetrics(deps).render();
    expect(text).toContain(`valetkey_build_info{version="${VERSION}"} 1`);
  });

  it('reports when each watch last synced', async () => {
    const text = await createAuthorityMetrics(deps).render();
    const name = 'valetkey_authority_watch_last_sync_timestamp_seconds';
    expect(text).toContain(`${name}{resource="taskpolicies"} 1899999997`);
    expect(text).not.toContain(`${name}{resource="revocations"}`);
  });

  it('reports the free bytes of the audit volume, and no sample without a volume', async () => {
    const name = 'valetkey_authority_audit_volume_free_bytes';
    expect(await createAuthorityMetrics(deps).render()).not.toMatch(new RegExp(`^${name}`, 'm'));
    const readAuditVolume = () => Promise.resolve({ sizeBytes: 16_384, freeBytes: 4096 });
    const metrics = createAuthorityMetrics({ ...deps, readAuditVolume });
    expect(await metrics.render()).toContain(`${name} 4096`);
  });

  it('reads the audit volume once for a scrape', async () => {
    let reads = 0;
    const readAuditVolume = async () => {
      reads += 1;
      await Promise.resolve();
      return { sizeBytes: 16_384, freeBytes: 4096 };
    };
    const metrics = createAuthorityMetrics({ ...deps, readAuditVolume });
    const text = await metrics.render();
    expect(text).toContain('valetkey_authority_audit_volume_size_bytes 16384');
    expect(reads).toBe(1);
    await metrics.render();
    expect(reads).toBe(2);
  });

  it('starts failed audit writes at 0, so that an alert sees the first one', async () => {
    const text = await createAuthorityMetrics(deps).render();
    expect(text).toContain('valetkey_authority_audit_write_errors_total{code="disk_full"} 0');
  });

  it('reports the 64 exceptions that end next, none that has ended, and none that was removed', async () => {
    const metrics = createAuthorityMetrics(deps);
    const day = (count: number) => deps.now() + count * 86_400_000;
    const ends = Array.from({ length: 70 }, (_, at) => ({
      policy: `a/${at}`,
      endsAt: day(70 - at),
    }));
    metrics.policyExceptions([...ends, { policy: 'a/ended', endsAt: deps.now() }]);
    const listSeries = async () =>
      [...(await metrics.render()).matchAll(/^\w+_policy_until_\w+\{policy="(.*)"\} (\d+)$/gm)].map(
        ([, policy, value]) => [policy, Number(value)],
      );
    const series = await listSeries();
    expect(series).toHaveLength(64);
    expect(series[0]).toEqual(['a/69', day(1) / 1000]);
    expect(series).not.toContainEqual(['a/5', day(65) / 1000]);
    metrics.policyExceptions([]);
    expect(await listSeries()).toEqual([]);
  });

  it('reports only current problems with signing keys', async () => {
    const metrics = createAuthorityMetrics(deps);
    metrics.signingKeyProblems(['rotation_blocked', 'published_keys_stale']);
    metrics.signingKeyProblems(['published_keys_stale']);
    const text = await metrics.render();
    expect(text).toContain('signing_key_problems{problem="published_keys_stale"} 1');
    expect(text).not.toContain('rotation_blocked"');
  });
});

describe('metric specs', () => {
  it.each([...WEBHOOK_METRICS, ...AUTHORITY_METRICS])(
    '$name follows the naming conventions: base unit as suffix, _total for counters',
    ({ name, type, unit }) => {
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (unit !== '1') expect(name).toMatch(new RegExp(`_${unit}(_total)?$`));
    },
  );
});

describe('histograms', () => {
  it.each([
    // The longest timeout of a webhook, and the default of the chart.
    ['valetkey_webhook_admission_duration_seconds', 10],
    // A run waits for at most three attempts at STS of five seconds.
    ['valetkey_authority_request_duration_seconds', 15],
    ['valetkey_sidecar_exchange_duration_seconds', 15],
    // A sidecar waits for five seconds for the decision about a call.
    ['valetkey_authority_gated_call_duration_seconds', 5],
    // A run waits for its record, and so for no longer.
    ['valetkey_authority_audit_write_duration_seconds', 15],
  ])('%s has a bucket for its timeout of %i s', (name, timeoutSeconds) => {
    const spec = [...WEBHOOK_METRICS, ...AUTHORITY_METRICS, ...SIDECAR_METRICS].find(
      (each) => each.name === name,
    );
    expect(spec?.buckets?.at(-1)).toBeGreaterThanOrEqual(timeoutSeconds);
  });
});

describe('createMetricsServer', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
  });

  const serve = async (telemetry: Partial<MetricsServerDeps>) => {
    server = createMetricsServer({
      render: () => Promise.resolve('metrics'),
      unready: () => [],
      ...telemetry,
    });
    const listening = server;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const { port } = listening.address() as AddressInfo;
    return (path: string) =>
      new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
        get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => (body += chunk.toString()));
          response.on('end', () => resolve({ status: response.statusCode, body }));
        }).on('error', reject);
      });
  };

  it('returns 503 with the failed checks from /readyz while /healthz returns 200', async () => {
    const request = await serve({ unready: () => ['certificate', 'templates'] });
    expect(await request('/healthz')).toEqual({ status: 200, body: 'ok\n' });
    expect(await request('/readyz')).toEqual({
      status: 503,
      body: 'not ready: certificate, templates\n',
    });
  });

  it('serves /metrics and returns 404 for unknown paths', async () => {
    const request = await serve({});
    expect(await request('/metrics')).toEqual({ status: 200, body: 'metrics' });
    expect((await request('/debug')).status).toBe(404);
    expect((await request('/readyz')).status).toBe(200);
  });

  it('answers probes while a client holds 200 connections open', async () => {
    const request = await serve({});
    const { port } = server?.address() as AddressInfo;
    const held = Array.from({ length: 200 }, () =>
      connect({ host: '127.0.0.1', port }).on('error', () => undefined),
    );
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    expect((await request('/readyz')).status).toBe(200);
    held.forEach((socket) => socket.destroy());
  });

  it('returns 500 without details when rendering fails', async () => {
    const request = await serve({ render: () => Promise.reject(new Error('secret')) });
    expect(await request('/metrics')).toEqual({ status: 500, body: 'internal error\n' });
  });
});
