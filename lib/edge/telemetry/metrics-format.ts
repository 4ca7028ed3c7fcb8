/** `text`: the format of Prometheus before OpenMetrics. Only OpenMetrics has exemplars. */
export type MetricsFormat = 'text' | 'openmetrics';

/** Content types, as prom-client names its formats. */
export const CONTENT_TYPES = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const satisfies Readonly<Record<MetricsFormat, string>>;

const VERSION = '1.0.0';

/**
 * Selects OpenMetrics 1.0.0 for clients that ask for it and do not prefer text. `*` asks for nothing.
 *
 * @param accept header of the request (RFC 9110, section 12.5.1)
 */
export const selectFormat = (accept = ''): MetricsFormat => {
  const ranges = accept.toLowerCase().split(',').map(readMediaRange);
  const getWeight = (type: string): number =>
    Math.max(0, ...ranges.filter((range) => range.type === type).map(({ weight }) => weight));
  const weight = getWeight(`application/openmetrics-text;${VERSION}`);
  return weight > 0 && weight >= getWeight('text/plain') ? 'openmetrics' : 'text';
};

/** The type of OpenMetrics includes its version: other versions are other formats. */
const readMediaRange = (text: string): { readonly type: string; readonly weight: number } => {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  const parameters = new Map(rest.map(readParameter));
  const weight = Number(parameters.get('q') ?? 1);
  return {
    type:
      type === 'application/openmetrics-text'
        ? `${type};${parameters.get('version') ?? VERSION}`
        : type,
    weight: Number.isNaN(weight) ? 0 : weight,
  };
};

const readParameter = (text: string): readonly [string, string] => {
  const [name = '', value = ''] = text.split('=').map((part) => part.trim());
  return [name, value.replace(/^"(.*)"$/, '$1')];
};
