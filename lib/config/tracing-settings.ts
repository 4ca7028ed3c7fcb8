import { TRACING_ENV } from '../contract/environment.ts';
import { rejectValue, type Reader } from '../schema/reader.ts';
import { origin } from './addresses.ts';

const collector = origin(['https:', 'http:']);
const optionalCollector: Reader<string> = (given, path, faults) =>
  given === '' ? '' : collector(given, path, faults);

const ratio: Reader<number> = (given, path, faults) =>
  /^(0|1|0?\.\d{1,9}|1\.0+)$/.test(String(given))
    ? Number(given)
    : rejectValue(faults, { path, expected: 'a number from 0 to 1', value: given });

/** Settings of tracing, by the names of OpenTelemetry's specification. */
export const TRACING_SETTINGS = {
  tracingEndpoint: {
    name: TRACING_ENV.endpoint,
    help: 'http(s)://host:port of a collector of spans (OTLP over HTTP); without it tracing is off',
    reader: optionalCollector,
    otherwise: '',
  },
  tracingSamplerRatio: {
    name: TRACING_ENV.samplerRatio,
    help: 'share of the traces that is kept, from 0 to 1',
    reader: ratio,
    otherwise: '0.1',
  },
} as const;
