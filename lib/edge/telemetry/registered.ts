import type { MetricSpec } from './metric.ts';
import { Histogram, type Registry } from './prometheus.ts';

/** A metric as prom-client wants it configured. */
export const configOf = ({ name, help, labels }: MetricSpec, registry: Registry) => ({
  name,
  help,
  labelNames: [...labels],
  registers: [registry],
});

/** @param spec with buckets of its own */
export const openHistogram = (
  spec: MetricSpec & Required<Pick<MetricSpec, 'buckets'>>,
  registry: Registry,
): Histogram => new Histogram({ ...configOf(spec, registry), buckets: [...spec.buckets] });
