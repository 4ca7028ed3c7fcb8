import { CONTENT_TYPES, type MetricsFormat } from './metrics-format.ts';
import {
  Registry,
  type Metric,
  type OpenMetricsContentType,
  type RegistryContentType,
} from './prometheus.ts';

/** Metrics of a program. prom-client permits exemplars only in a registry of OpenMetrics. */
export type MetricRegistry = Registry<OpenMetricsContentType>;

/** Creates a registry, which {@link renderMetrics} renders in either format. */
export const createRegistry = (): MetricRegistry => {
  const registry: MetricRegistry = new Registry();
  registry.setContentType(CONTENT_TYPES.openmetrics);
  return registry;
};

/** What a registry reads of a metric. */
type Family = { readonly name: string; readonly type: string };
type Rendered = Family & { readonly get: () => Promise<Family> };

/**
 * Renders all metrics. Each rendering has a registry of its own, because the content type is a state of the
 * registry, and scrapes overlap.
 */
export const renderMetrics = async (
  registry: MetricRegistry,
  format: MetricsFormat,
): Promise<string> => {
  const rendered = new Registry<RegistryContentType>();
  rendered.setContentType(CONTENT_TYPES[format]);
  const metrics = registry.getMetricsAsArray() as unknown as readonly Rendered[];
  for (const metric of metrics) {
    const given = format === 'openmetrics' ? withoutSuffix(metric) : metric;
    rendered.registerMetric(given as unknown as Metric);
  }
  const text = await rendered.metrics();
  return format === 'openmetrics' ? escapeHelp(text) : text;
};

/**
 * In OpenMetrics only the samples of a counter end in `_total`. prom-client renames the counter itself, so
 * that it would have lost the suffix in the text format too: it gets a copy.
 */
const withoutSuffix = (metric: Rendered): Rendered => {
  if (metric.type !== 'counter') return metric;
  const name = metric.name.replace(/_total$/, '');
  return { name, type: metric.type, get: async () => ({ ...(await metric.get()), name }) };
};

/** OpenMetrics has quotation marks escaped in help texts too, which prom-client leaves. */
const escapeHelp = (text: string): string =>
  text.replaceAll(/^# HELP .*$/gm, (line) => line.replaceAll('"', '\\"'));
