import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { ExportResultCode } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';

import { listExemplars, PROMETHEUS_ACCEPT } from '../../test/kit/openmetrics.ts';
import { createOtlpTracing } from '../../lib/edge/telemetry/otlp-tracing.ts';
import {
  buildExchangeForm,
  startAuthorityHarness,
  TOKEN_PATH,
  type AuthorityHarness,
} from './fixtures/authority-harness.ts';

jest.setTimeout(60_000);

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;

let harness: AuthorityHarness;
beforeAll(async () => {
  harness = await startAuthorityHarness();
});
afterAll(() => harness.close());

describe('tracing of an exchange', () => {
  it('has a span of each step, a trace that STS gets, and exemplars with its ID', async () => {
    const spans: ReadableSpan[] = [];
    const exporter: SpanExporter = {
      export: (given, done) => {
        spans.push(...given);
        done({ code: ExportResultCode.SUCCESS });
      },
      shutdown: () => Promise.resolve(),
    };
    const options = { endpoint: 'http://collector:4318', samplerRatio: 1, program: 'authority' };
    const tracing = createOtlpTracing(options, exporter);
    const replica = await harness.start(undefined, {}, true, tracing);
    await replica.waitUntilReady();
    const details = { task: 'one-customer', params: { customer: 'acme' }, purpose: 'nightly' };
    const token = await harness.podToken();
    const issued = await replica.post(TOKEN_PATH, buildExchangeForm(token, details), {
      traceparent,
    });
    const refused = await replica.post(
      TOKEN_PATH,
      buildExchangeForm(token, { task: 'one-customer', params: { customer: '../x' } }),
      { traceparent },
    );
    expect([issued.status, refused.status]).toEqual([200, 400]);
    const metrics = await replica.telemetry('/metrics', { Accept: PROMETHEUS_ACCEPT });
    await replica.authority.drain();

    const requestId = issued.headers['x-request-id'];
    const durations = 'valetkey_authority_request_duration_seconds';
    expect(listExemplars(metrics.text, durations)).toEqual([
      { run_id: issued.body['run'], trace_id: TRACE },
      { request_id: refused.headers['x-request-id'], trace_id: TRACE },
    ]);
    const server = spans.find((span) => span.attributes['valetkey.request_id'] === requestId);
    const below = spans.filter(
      (span) => span.parentSpanContext?.spanId === server?.spanContext().spanId,
    );
    expect(below.map(({ name }) => name)).toEqual([
      'exchange.verify_token',
      'exchange.identify_workload',
      'exchange.decide',
      'exchange.record',
      'exchange.issue',
      'exchange.record',
    ]);
    const call = spans.find(({ name }) => name === 'sts.assume_role');
    expect(harness.sts.headers.at(-1)?.['traceparent']).toBe(
      `00-${TRACE}-${call?.spanContext().spanId ?? ''}-01`,
    );
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([TRACE]));

    const text = JSON.stringify(
      spans.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
    );
    for (const secret of [token, 'one-customer', 'acme', 'nightly', 'secret-1', 'live', 'agent']) {
      expect(text).not.toContain(secret);
      expect(JSON.stringify(listExemplars(metrics.text, durations))).not.toContain(secret);
    }
  });
});
