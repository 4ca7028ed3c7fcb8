import { once } from 'node:events';
import { get, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { Writable } from 'node:stream';

import { afterEach, describe, expect, test } from '@jest/globals';

import { createPinoLog } from './pino-log.ts';
import { createMetricsServer, type MetricsServerDeps } from './metrics-server.ts';
import { createWebhookMetrics, WEBHOOK_METRICS } from './webhook-metrics.ts';

describe('the log', () => {
  const openLines = (level: 'info' | 'debug' = 'info') => {
    const lines: string[] = [];
    const write = (chunk: Buffer, _: string, done: () => void): void => {
      lines.push(chunk.toString());
      done();
    };
    return { lines, log: createPinoLog({ program: 'webhook', level }, new Writable({ write })) };
  };

  test('writes lines of JSON: time, level, program, message and the fields', () => {
    const { lines, log } = openLines();
    log.warn('profile refused', { reasons: ['1', '5'], count: 2 });
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    expect(Object.keys(line).sort()).toEqual(
      ['count', 'level', 'message', 'program', 'reasons', 'time'].sort(),
    );
    expect(line).toMatchObject({ level: 'warn', program: 'webhook', message: 'profile refused' });
    expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test('is silent below its level', () => {
    const { lines, log } = openLines('info');
    log.debug('nobody hears this');
    expect(lines).toEqual([]);
  });
});

/** No watch has told anything. */
const NO_AGES = { profiles: () => undefined, policies: () => undefined };

describe('the metrics of the webhook', () => {
  const names = (text: string) => [...text.matchAll(/^# HELP (\S+)/gm)].map(([, name]) => name);

  test('are those of its table, each with its help', async () => {
    const metrics = createWebhookMetrics({ profiles: () => 3, policies: () => 4 });
    const text = await metrics.render();
    expect(names(text)).toEqual(WEBHOOK_METRICS.map(({ name }) => name));
  });

  test('count answers by operation, outcome and reason', async () => {
    const metrics = createWebhookMetrics(NO_AGES);
    const answer = { operation: 'mutate', outcome: 'denied', reason: '3', seconds: 0.002 } as const;
    metrics.admissionAnswered(answer);
    metrics.admissionAnswered(answer);
    expect(await metrics.render()).toContain(
      'valetkey_webhook_admissions_total{operation="mutate",outcome="denied",reason="3"} 2',
    );
  });

  test('say when the certificate ends, in seconds, and whether it is trusted', async () => {
    const metrics = createWebhookMetrics(NO_AGES);
    metrics.certificate({ notAfter: 1_900_000_000_000, isTrusted: false });
    const text = await metrics.render();
    expect(text).toContain('valetkey_webhook_certificate_not_after_seconds 1900000000');
    expect(text).toContain('valetkey_webhook_ca_bundle_match 0');
  });

  test('tell the age of the watch at the moment of the scrape, and none without a watch', async () => {
    let age: number | undefined = 7;
    const metrics = createWebhookMetrics({ ...NO_AGES, profiles: () => age });
    expect(await metrics.render()).toContain('valetkey_webhook_profiles_watch_age_seconds 7');
    age = undefined;
    expect(await metrics.render()).not.toMatch(/^valetkey_webhook_profiles_watch_age_seconds/m);
  });

  test('keep the conventions: units in names, counters in _total', () => {
    for (const { name, type, unit } of WEBHOOK_METRICS) {
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (unit !== '1') expect(name).toMatch(new RegExp(`_${unit}$`));
    }
  });
});

describe('the telemetry port', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
  });

  const serve = async (telemetry: Partial<MetricsServerDeps>) => {
    server = createMetricsServer({
      contentType: 'text/plain; version=0.0.4',
      render: () => Promise.resolve('metrics'),
      unready: () => [],
      ...telemetry,
    });
    const opened = server;
    await new Promise<void>((resolve) => opened.listen(0, '127.0.0.1', resolve));
    const { port } = opened.address() as AddressInfo;
    return (path: string) =>
      new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
        get({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
          let body = '';
          answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
          answer.on('end', () => resolve({ status: answer.statusCode, body }));
        }).on('error', reject);
      });
  };

  test('is healthy while it answers, and ready when nothing is missing', async () => {
    const ask = await serve({ unready: () => ['certificate', 'profiles'] });
    expect(await ask('/healthz')).toEqual({ status: 200, body: 'ok\n' });
    expect(await ask('/readyz')).toEqual({
      status: 503,
      body: 'not ready: certificate, profiles\n',
    });
  });

  test('serves the metrics, and nothing else', async () => {
    const ask = await serve({});
    expect(await ask('/metrics')).toEqual({ status: 200, body: 'metrics' });
    expect((await ask('/debug')).status).toBe(404);
    expect((await ask('/readyz')).status).toBe(200);
  });

  test('keeps answering while somebody holds connections open without end', async () => {
    const ask = await serve({});
    const { port } = server?.address() as AddressInfo;
    const held = Array.from({ length: 200 }, () =>
      connect({ host: '127.0.0.1', port }).on('error', () => undefined),
    );
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    expect((await ask('/readyz')).status).toBe(200);
    held.forEach((socket) => socket.destroy());
  });

  test('answers a failure without saying which', async () => {
    const ask = await serve({ render: () => Promise.reject(new Error('secret')) });
    expect(await ask('/metrics')).toEqual({ status: 500, body: 'internal error\n' });
  });
});
