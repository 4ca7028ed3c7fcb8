import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

import {
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';

import { isRequestId, REQUEST_ID_HEADER } from '../../contract/request-id.ts';
import { VERSION } from '../../contract/version.ts';
import type { Tracing, TracingOptions } from './trace-spans.ts';

/** Spans beyond the queue are dropped: a collector that is down costs neither memory nor requests. */
const QUEUE = { maxQueueSize: 1024, maxExportBatchSize: 256, scheduledDelayMillis: 2_000 };
const EXPORT_TIMEOUT_MS = 5_000;

const KINDS = { root: SpanKind.INTERNAL, client: SpanKind.CLIENT } as const;

/**
 * Starts tracing with the OpenTelemetry SDK. It is imported only where it is on.
 *
 * The trace ID alone decides whether a trace is kept, with the same result in each program of one ratio. A
 * client's `sampled` flag can drop a trace and cannot keep one, so that no pod has everything traced.
 *
 * @param exporter for tests; otherwise OTLP over HTTP, which also reads `OTEL_EXPORTER_OTLP_HEADERS`
 */
export const createOtlpTracing = (
  { endpoint, samplerRatio, program }: TracingOptions,
  exporter: SpanExporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  }),
): Tracing => {
  const ratio = new TraceIdRatioBasedSampler(samplerRatio);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.namespace': 'valetkey',
      'service.name': `valetkey-${program}`,
      'service.version': VERSION,
    }),
    sampler: new ParentBasedSampler({ root: ratio, remoteParentSampled: ratio }),
    spanProcessors: [
      new BatchSpanProcessor(exporter, { ...QUEUE, exportTimeoutMillis: EXPORT_TIMEOUT_MS }),
    ],
  });
  const tracer = provider.getTracer('valetkey', VERSION);
  const propagator = new W3CTraceContextPropagator();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());

  const wrap: Tracing['wrap'] =
    (name, step, kind) =>
    async (...given) => {
      const around = context.active();
      if (kind !== 'root' && trace.getSpan(around) === undefined) return step(...given);
      const options = { kind: kind === undefined ? SpanKind.INTERNAL : KINDS[kind] };
      const span = tracer.startSpan(name, options, kind === 'root' ? ROOT_CONTEXT : around);
      try {
        return await context.with(trace.setSpan(around, span), () => step(...given));
      } catch (error) {
        markFailed(span, error);
        throw error;
      } finally {
        span.end();
      }
    };

  const startServerSpan = (request: IncomingMessage, path: string): Context => {
    const parent = propagator.extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter);
    const options = {
      kind: SpanKind.SERVER,
      attributes: { 'http.request.method': 'POST', 'http.route': path },
    };
    return trace.setSpan(parent, tracer.startSpan(`POST ${path}`, options, parent));
  };

  const wrapListener =
    (listener: RequestListener, paths: readonly string[]): RequestListener =>
    (request, response) => {
      const [path = ''] = (request.url ?? '').split('?');
      // Streams stay open for hours, and documents are no part of a run.
      if (request.method !== 'POST' || !paths.includes(path)) {
        listener(request, response);
        return;
      }
      const active = startServerSpan(request, path);
      response.once('close', () => endServerSpan(active, response));
      context.with(active, () => listener(request, response));
    };

  return {
    wrap,
    wrapListener,
    headers: () => {
      const carrier: Record<string, string> = {};
      propagator.inject(context.active(), carrier, defaultTextMapSetter);
      const { traceparent } = carrier;
      // A caller's tracestate is of its own vendors.
      return traceparent === undefined ? {} : { traceparent };
    },
    traceId: () => {
      const span = trace.getSpanContext(context.active());
      const isKept = span !== undefined && (span.traceFlags & TraceFlags.SAMPLED) !== 0;
      return isKept ? span.traceId : undefined;
    },
    stop: async () => {
      await provider.shutdown().catch(() => undefined);
      context.disable();
    },
  };
};

const endServerSpan = (active: Context, response: ServerResponse): void => {
  const span = trace.getSpan(active);
  if (span === undefined) return;
  const requestId = response.getHeader(REQUEST_ID_HEADER);
  if (isRequestId(requestId)) span.setAttribute('valetkey.request_id', requestId);
  span.setAttribute('http.response.status_code', response.statusCode);
  if (!response.writableFinished) span.setAttribute('error.type', 'connection_closed');
  if (response.statusCode >= 500 || !response.writableFinished) {
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
};

/** A message or a stack may quote a resource or a token: only a stable code is an attribute. */
const markFailed = (span: Span, error: unknown): void => {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  const type = [code, name].find((each) => typeof each === 'string' && CODE.test(each));
  span.setAttribute('error.type', typeof type === 'string' ? type : 'error');
  span.setStatus({ code: SpanStatusCode.ERROR });
};

const CODE = /^[A-Za-z][A-Za-z0-9_.]{0,63}$/;
