import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ExportResultCode } from '@opentelemetry/core';
import { InMemorySpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace-base';

import { createOtlpTracing } from './otlp-tracing.ts';
import { NO_TRACING, startTracing, type Tracing } from './tracing.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SAMPLED = `00-${TRACE}-b7ad6b7169203331-01`;
const UNSAMPLED = `00-${TRACE}-b7ad6b7169203331-00`;

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const startTest = (samplerRatio = 1) => {
  const exporter = new InMemorySpanExporter();
  const spans: ReadableSpan[] = [];
  exporter.export = (given, done) => {
    spans.push(...given);
    done({ code: ExportResultCode.SUCCESS });
  };
  const options = { endpoint: 'http://collector:4318', samplerRatio, program: 'authority' };
  const tracing = createOtlpTracing(options, exporter);
  closing.push(tracing.stop);
  /** Ends tracing and returns what it sent. */
  const collect = async (): Promise<readonly ReadableSpan[]> => {
    await tracing.stop();
    return spans;
  };
  return { tracing, collect };
};

const serve = async (tracing: Tracing, answer: () => Promise<number>): Promise<string> => {
  const server: Server = createServer(
    tracing.wrapListener(
      (_, response) => {
        response.setHeader('x-request-id', 'request-1');
        void answer().then((status) => response.writeHead(status, { 'Content-Length': 0 }).end());
      },
      ['/v1/token'],
    ),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(
    () => void server.close(),
    () => server.closeAllConnections(),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const post = async (url: string, headers: Record<string, string> = {}): Promise<void> => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { Connection: 'close', ...headers },
  });
  await response.text();
};

class CodedError extends Error {
  readonly code = 'policy_denied';
}

describe('createOtlpTracing', () => {
  it('continues the trace of the client, through each step, to the next system', async () => {
    const { tracing, collect } = startTest();
    let sent: Readonly<Record<string, string>> = {};
    const assume = tracing.wrap(
      'sts.assume_role',
      () => {
        sent = tracing.headers();
        return Promise.resolve(200);
      },
      'client',
    );
    const url = await serve(tracing, tracing.wrap('exchange.issue', assume));
    await post(`${url}/v1/token?secret=1`, { traceparent: SAMPLED, tracestate: 'vendor=1' });
    const spans = await collect();
    expect(spans.map(({ name }) => name)).toEqual([
      'sts.assume_role',
      'exchange.issue',
      'POST /v1/token',
    ]);
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([TRACE]));
    const [client, step, server] = spans;
    expect(client?.parentSpanContext?.spanId).toBe(step?.spanContext().spanId);
    expect(step?.parentSpanContext?.spanId).toBe(server?.spanContext().spanId);
    expect(server?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(sent).toEqual({
      traceparent: `00-${TRACE}-${client?.spanContext().spanId ?? ''}-01`,
    });
    expect(server?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/token',
      'http.response.status_code': 200,
      'valetkey.request_id': 'request-1',
    });
  });

  it.each([
    [1, TRACE],
    [0, undefined],
  ])('with ratio %d, has %s as the ID of the trace during a request', async (ratio, expected) => {
    const { tracing } = startTest(ratio);
    let found: string | undefined;
    const url = await serve(tracing, () => {
      found = tracing.traceId();
      return Promise.resolve(200);
    });
    await post(`${url}/v1/token`, { traceparent: SAMPLED });
    expect([found, tracing.traceId()]).toEqual([expected, undefined]);
  });

  it('has of an error its code, and neither message nor stack', async () => {
    const { tracing, collect } = startTest();
    const fail = tracing.wrap(
      'sidecar.exchange',
      () => Promise.reject(new CodedError('arn:aws:s3:::secret-bucket')),
      'root',
    );
    await expect(fail()).rejects.toThrow('secret-bucket');
    const [span] = await collect();
    expect(span?.attributes).toEqual({ 'error.type': 'policy_denied' });
    expect([span?.events, span?.status]).toEqual([[], { code: 2 }]);
  });

  it.each([
    ['a trace that the ratio drops', 0, SAMPLED],
    ['a trace that the client dropped', 1, UNSAMPLED],
  ])('keeps no span of %s', async (_, samplerRatio, traceparent) => {
    const { tracing, collect } = startTest(samplerRatio);
    await post(`${await serve(tracing, () => Promise.resolve(200))}/v1/token`, { traceparent });
    expect(await collect()).toEqual([]);
  });

  it('has no span of steps outside of a request, of other paths and of other methods', async () => {
    const { tracing, collect } = startTest();
    await tracing.wrap('exchange.record', () => Promise.resolve())();
    const url = await serve(tracing, () => Promise.resolve(200));
    await post(`${url}/v1/other`);
    await (await fetch(`${url}/v1/token`, { headers: { Connection: 'close' } })).text();
    expect(tracing.headers()).toEqual({});
    expect(await collect()).toEqual([]);
  });

  it('sends spans to a collector over HTTP, with the name of the program', async () => {
    const received: { url: string | undefined; body: string; headers: IncomingHttpHeaders }[] = [];
    const collector = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { url, headers } = request;
        received.push({ url, headers, body: Buffer.concat(chunks).toString() });
        response.setHeader('Content-Type', 'application/json').end('{}');
      });
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
    closing.push(
      () => void collector.close(),
      () => collector.closeAllConnections(),
    );
    const { port } = collector.address() as AddressInfo;
    const endpoint = `http://127.0.0.1:${port}`;
    const tracing = await startTracing({ endpoint, samplerRatio: 1, program: 'webhook' });
    await tracing.wrap('sidecar.exchange', () => Promise.resolve(), 'root')();
    await tracing.stop();
    expect(received).toEqual([
      expect.objectContaining({
        url: '/v1/traces',
        body: expect.stringContaining('"stringValue":"valetkey-webhook"') as unknown,
      }),
    ]);
    expect(received[0]?.body).toContain('"name":"sidecar.exchange"');
  });
});

describe('startTracing', () => {
  it('wraps nothing without an endpoint', async () => {
    const tracing = await startTracing({ endpoint: '', samplerRatio: 1, program: 'webhook' });
    expect(tracing).toBe(NO_TRACING);
    const step = () => Promise.resolve();
    expect(tracing.wrap('exchange.issue', step)).toBe(step);
    expect(tracing.headers()).toEqual({});
  });

  it.each([
    ['no module without an endpoint', '', 0],
    ['modules with one', 'http://127.0.0.1:9', 1],
  ])(
    'loads of OpenTelemetry %s',
    (_, endpoint, least) => {
      const program = `
      import { registerHooks } from 'node:module';
      // prom-client loads the API, which does nothing by itself.
      let loaded = 0;
      registerHooks({
        load: (url, context, next) => {
          if (url.includes('@opentelemetry') && !url.includes('@opentelemetry/api/')) loaded += 1;
          return next(url, context);
        },
      });
      for (const name of ['webhook/webhook', 'authority/authority', 'sidecar/sidecar'])
        await import('./cmd/' + name + '.ts');
      const { startTracing } = await import('./lib/edge/telemetry/tracing.ts');
      await startTracing({ endpoint: '${endpoint}', samplerRatio: 1, program: 'webhook' });
      console.log(loaded);
      process.exit(0);
    `;
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['--input-type=module', '--eval', program],
        { cwd: ROOT, encoding: 'utf8' },
      );
      expect(stderr).toBe('');
      expect(Math.min(1, Number(stdout.trim()))).toBe(least);
    },
    60_000,
  );
});
