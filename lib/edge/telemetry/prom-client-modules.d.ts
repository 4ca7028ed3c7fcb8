/** prom-client has types for its entry point only. Each of its files exports one class or one collector. */
declare module 'prom-client/lib/counter.js' {
  export { Counter as default } from 'prom-client';
}
declare module 'prom-client/lib/gauge.js' {
  export { Gauge as default } from 'prom-client';
}
declare module 'prom-client/lib/histogram.js' {
  export { Histogram as default } from 'prom-client';
}
declare module 'prom-client/lib/registry.js' {
  export { Registry as default } from 'prom-client';
}
declare module 'prom-client/lib/metrics/*.js' {
  import type { OpenMetricsContentType, Registry } from 'prom-client';
  const collect: (registry: Registry<OpenMetricsContentType>) => void;
  export default collect;
}
