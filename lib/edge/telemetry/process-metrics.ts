import collectEventLoopLag from 'prom-client/lib/metrics/eventLoopLag.js';
import collectGarbageCollection from 'prom-client/lib/metrics/gc.js';
import collectHeap from 'prom-client/lib/metrics/heapSizeAndUsed.js';
import collectProcessMemory from 'prom-client/lib/metrics/osMemoryHeap.js';
import collectCpuTime from 'prom-client/lib/metrics/processCpuTotal.js';
import collectMaxFileDescriptors from 'prom-client/lib/metrics/processMaxFileDescriptors.js';
import collectOpenFileDescriptors from 'prom-client/lib/metrics/processOpenFileDescriptors.js';
import collectStartTime from 'prom-client/lib/metrics/processStartTime.js';

import type { MetricRegistry } from './exposition.ts';
import type { MetricSpec } from './metric-spec.ts';

const counter = (name: MetricSpec['name'], help: string, unit: MetricSpec['unit']): MetricSpec => ({
  name,
  type: 'counter',
  help,
  unit,
  labels: [],
});

const gauge = (name: MetricSpec['name'], help: string, unit: MetricSpec['unit']): MetricSpec => ({
  name,
  type: 'gauge',
  help,
  unit,
  labels: [],
});

/**
 * The process and event-loop metrics of prom-client that an operator needs, by its standard names, so that
 * existing dashboards of Node.js programs show the webhook and the authority. Sidecars have none: in every
 * pod they would cost more than all other metrics, and the kubelet reports the container's CPU and memory.
 */
export const PROCESS_METRICS: readonly MetricSpec[] = [
  counter('process_cpu_user_seconds_total', 'CPU time in user mode.', 'seconds'),
  counter('process_cpu_system_seconds_total', 'CPU time in kernel mode.', 'seconds'),
  counter('process_cpu_seconds_total', 'CPU time in user and kernel mode.', 'seconds'),
  gauge(
    'process_start_time_seconds',
    'When the process started, in seconds since the epoch.',
    'seconds',
  ),
  gauge('process_resident_memory_bytes', 'Resident memory of the process.', 'bytes'),
  gauge('process_virtual_memory_bytes', 'Virtual memory of the process.', 'bytes'),
  gauge('process_heap_bytes', 'Size of the data segment of the process.', 'bytes'),
  gauge('process_open_fds', 'Open file descriptors, connections included.', '1'),
  gauge('process_max_fds', 'Limit of open file descriptors.', '1'),
  gauge('nodejs_heap_size_total_bytes', 'Size of the JavaScript heap.', 'bytes'),
  gauge('nodejs_heap_size_used_bytes', 'Used part of the JavaScript heap.', 'bytes'),
  gauge(
    'nodejs_external_memory_bytes',
    'Memory of buffers and of WebAssembly outside the JavaScript heap.',
    'bytes',
  ),
  gauge('nodejs_eventloop_lag_seconds', 'Delay of the event loop at the scrape.', 'seconds'),
  ...['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map((statistic) =>
    gauge(
      `nodejs_eventloop_lag_${statistic}_seconds`,
      `Delay of the event loop since the previous scrape: ${statistic}.`,
      'seconds',
    ),
  ),
  {
    name: 'nodejs_gc_duration_seconds',
    type: 'histogram',
    help: 'Time of a garbage collection, by kind (major, minor, incremental, weakcb).',
    labels: ['kind'],
    unit: 'seconds',
    buckets: [0.001, 0.01, 0.1, 1, 2, 5],
  },
];

const COLLECTORS = [
  collectCpuTime,
  collectStartTime,
  collectProcessMemory,
  collectOpenFileDescriptors,
  collectMaxFileDescriptors,
  collectHeap,
  collectEventLoopLag,
  collectGarbageCollection,
];

/** Registers {@link PROCESS_METRICS}. They are read at each scrape. */
export const registerProcessMetrics = (registry: MetricRegistry): void => {
  for (const collect of COLLECTORS) collect(registry);
};
