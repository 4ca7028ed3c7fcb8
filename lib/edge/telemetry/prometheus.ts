/**
 * The classes of prom-client that we use. Its entry point would also load a push gateway with
 * `node:https` and `node:cluster`, OpenTelemetry and the collectors of default metrics: 30 ms of a
 * sidecar's startup.
 */
export { default as Counter } from 'prom-client/lib/counter.js';
export { default as Gauge } from 'prom-client/lib/gauge.js';
export { default as Histogram } from 'prom-client/lib/histogram.js';
export { default as Registry } from 'prom-client/lib/registry.js';
export type { Metric, OpenMetricsContentType, RegistryContentType } from 'prom-client';
