import type { MetricSpec } from './metric-spec.ts';
import { Histogram, type Registry } from './prometheus.ts';

/** A metric as prom-client wants it configured. */
export const toMetricConfig = ({ name, help, labels }: MetricSpec, registry: Registry) => ({
  name,
  help,
  labelNames: [...labels],
  registers: [registry],
});

/** @param spec with buckets of its own */
export const createHistogram = (
  spec: MetricSpec & Required<Pick<MetricSpec, 'buckets'>>,
  registry: Registry,
): Histogram => new Histogram({ ...toMetricConfig(spec, registry), buckets: [...spec.buckets] });
