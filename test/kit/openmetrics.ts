/** One sample of a family, and its exemplar. */
export type OpenMetricsSample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly exemplar?: {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
    readonly timestamp: number;
  };
};

type Family = {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: OpenMetricsSample[];
};
export type OpenMetricsFamily = Omit<Family, 'samples'> & {
  readonly samples: readonly OpenMetricsSample[];
};

/** Characters of an exemplar's labels: names and values together. */
const MAX_EXEMPLAR_LENGTH = 128;

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const ESCAPED = String.raw`(?:[^"\\\n]|\\[n"\\])*`;
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*="${ESCAPED}"`;
const LABELS = String.raw`\{(?:${LABEL}(?:,${LABEL})*)?\}`;
const NUMBER = String.raw`[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[iI]nf|[nN]a[nN])`;
const TYPES = 'counter|gauge|histogram|gaugehistogram|stateset|info|summary|unknown';

const HELP_LINE = new RegExp(`^# HELP (${NAME}) (${ESCAPED})$`);
const TYPE_LINE = new RegExp(`^# TYPE (${NAME}) (${TYPES})$`);
const SAMPLE_LINE = new RegExp(
  `^(${NAME})(${LABELS})? (${NUMBER})(?: # (${LABELS}) (${NUMBER}) (${NUMBER}))?$`,
);

/** Suffixes of the names of samples, by the type of their family. */
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

/**
 * Parses OpenMetrics text 1.0.0 as strictly as its grammar, of which programs here write only a part: no
 * timestamps of samples, units, `_created` or other types.
 *
 * @throws Error that names the first invalid line
 */
export const parseOpenMetrics = (text: string): readonly OpenMetricsFamily[] => {
  if (!text.endsWith('\n# EOF\n')) throw new Error('expected # EOF and a line break at the end');
  const families: Family[] = [];
  const lines = text.slice(0, -'\n# EOF\n'.length).split('\n');
  for (let index = 0; index < lines.length;) {
    const [, name = '', help = ''] = matchLine(HELP_LINE, lines[index]);
    const [, typed, type = ''] = matchLine(TYPE_LINE, lines[index + 1]);
    if (typed !== name) throw new Error(`${name}: expected its TYPE after its HELP`);
    if (families.some((family) => family.name === name)) throw new Error(`${name}: repeated`);
    const family: Family = { name, type, help, samples: [] };
    families.push(family);
    index += 2;
    for (; index < lines.length && lines[index]?.startsWith('#') === false; index += 1)
      family.samples.push(parseSample(lines[index] ?? '', family));
    if (type === 'histogram') checkHistogram(family);
  }
  return families;
};

const matchLine = (pattern: RegExp, line = ''): RegExpExecArray => {
  const match = pattern.exec(line);
  if (match === null) throw new Error(`expected ${pattern.source}: ${line}`);
  return match;
};

const parseSample = (line: string, { name: family, type }: Family): OpenMetricsSample => {
  const [, name = '', labels, value, exemplar, observed, timestamp] = matchLine(SAMPLE_LINE, line);
  if (SUFFIXES[type]?.some((suffix) => name === `${family}${suffix}`) !== true)
    throw new Error(`${line}: expected a sample of the ${type} ${family}`);
  const sample = { name, labels: parseLabels(labels), value: toNumber(value) };
  if (exemplar === undefined) return sample;
  if (!/_(?:bucket|total)$/.test(name)) throw new Error(`${line}: expected no exemplar`);
  const given = {
    labels: parseLabels(exemplar),
    value: toNumber(observed),
    timestamp: toNumber(timestamp),
  };
  const length = Array.from(Object.entries(given.labels).flat().join('')).length;
  if (length > MAX_EXEMPLAR_LENGTH) throw new Error(`${line}: expected a shorter exemplar`);
  return { ...sample, exemplar: given };
};

const parseLabels = (text = '{}'): Readonly<Record<string, string>> => {
  const pairs = Array.from(text.matchAll(new RegExp(`(\\w+)="(${ESCAPED})"`, 'g')));
  const names = pairs.map(([, name]) => name);
  if (new Set(names).size !== names.length) throw new Error(`${text}: expected each label once`);
  return Object.fromEntries(
    pairs.map(([, name = '', value = '']) => [name, value.replaceAll(/\\(.)/g, unescape)]),
  );
};

const unescape = (_: string, character: string): string => (character === 'n' ? '\n' : character);

const toNumber = (text = ''): number =>
  Number(text.replace(/inf$/i, 'Infinity').replace(/^nan$/i, 'NaN'));

/** Buckets grow up to the count, and no exemplar is above its bucket. */
const checkHistogram = ({ name, samples }: OpenMetricsFamily): void => {
  const series = Map.groupBy(samples, ({ labels }) => JSON.stringify({ ...labels, le: undefined }));
  for (const own of series.values()) {
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`);
    const count = own.find((sample) => sample.name === `${name}_count`)?.value;
    const values = [...buckets.map(({ value }) => value), count];
    if (buckets.at(-1)?.labels['le'] !== '+Inf' || values.at(-2) !== count)
      throw new Error(`${name}: expected +Inf as the last bucket, with the count`);
    if (values.some((value = NaN, index) => value < (values[index - 1] ?? 0)))
      throw new Error(`${name}: expected buckets that grow`);
    if (buckets.some(({ labels, exemplar }) => (exemplar?.value ?? 0) > toNumber(labels['le'])))
      throw new Error(`${name}: expected exemplars in their buckets`);
  }
};

/** The labels of all exemplars of a family. */
export const listExemplars = (
  text: string,
  family: string,
): readonly Readonly<Record<string, string>>[] =>
  parseOpenMetrics(text)
    .filter(({ name }) => name === family)
    .flatMap(({ samples }) => samples)
    .flatMap(({ exemplar }) => (exemplar === undefined ? [] : [exemplar.labels]));

/** What a Prometheus 3 sends. */
export const PROMETHEUS_ACCEPT = [
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5',
  'application/openmetrics-text;version=0.0.1;q=0.4',
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3',
  'text/plain;version=0.0.4;q=0.2',
  '*/*;q=0.1',
].join(',');
