import { integer, list, object, stringEnum, rejectValue, string } from '../../lib/schema/reader.ts';
import type { Reader } from '../../lib/schema/reader.ts';
import { THREAT_ROW_IDS } from './threat-rows.ts';

const textReader = string({ expected: 'text', pattern: /\S/ });
const anythingReader: Reader<unknown> = (value) => value;

type JsonObject = Readonly<Record<string, unknown>>;

const mappingReader: Reader<JsonObject> = (value, path, faults) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : rejectValue(faults, { path, expected: 'a mapping', value });

const textOrMappingReader: Reader<string | JsonObject> = (value, path, faults) =>
  typeof value === 'string' ? value : mappingReader(value, path, faults);

/** JSON Patch (RFC 6902); `times` repeats `value`. */
const operationReader = object({
  op: stringEnum(['add', 'replace', 'remove']),
  path: string({ expected: 'a JSON pointer', pattern: /^\// }),
  value: { optional: anythingReader },
  times: { optional: integer({ min: 2, max: 100_000 }) },
});

/** Creates a changed base pod. `declare`: its task as text, or members that replace those of the base. */
const createReader = object({
  of: { reader: stringEnum(['declared', 'injected', 'plain']), otherwise: 'declared' as const },
  in: { optional: stringEnum(['kube-system']) },
  declare: { optional: textOrMappingReader },
  patch: { reader: list(operationReader), otherwise: [] },
});

/** Changes the running pod, directly or through a subresource. */
const changeReader = object({
  through: { optional: stringEnum(['status', 'resize', 'ephemeralcontainers']) },
  patch: list(operationReader, { min: 1 }),
});

/** Sends any other request to the API server; a path without a leading slash is below the namespace. */
const requestReader = object({
  method: stringEnum(['GET', 'POST']),
  path: textReader,
  body: { optional: mappingReader },
});

/** Connects to a port of the running pod through the API server. */
const portAccessReader = object({
  by: stringEnum(['proxy', 'portforward']),
  port: integer({ min: 1, max: 65_535 }),
  path: textReader,
});

/**
 * Sends a token to the authority or directly to the cloud: the exchange token of a pod, a token that an
 * editor requested (for `audience`), or one of a Secret.
 */
const exchangeReader = object({
  token: stringEnum([
    'of the pod',
    'of a deleted pod',
    'of a terminating pod',
    'requested',
    'of a Secret',
  ]),
  audience: { optional: textReader },
  forged: { optional: stringEnum(['edited', 'unsigned', 'by the public key']) },
  to: { reader: stringEnum(['authority', 'cloud']), otherwise: 'authority' as const },
});

/** Uses credentials of the running pod at the cloud. */
const useReader = object({
  operation: stringEnum(['get', 'put', 'list']),
  bucket: { reader: stringEnum(['acme-data', 'acme-other']), otherwise: 'acme-data' as const },
  key: textReader,
});

/** Requests credentials in a copy of an injected pod, created where no webhook is called. */
const unadmittedReader = object({ patch: { reader: list(operationReader), otherwise: [] } });

const rightReader = string({
  expected: '<verb> <resource>[/<subresource>][.<group>]',
  pattern: /^[a-z]+ [a-z]+(\/[a-z]+)?(\.[a-z.]+)?$/,
});

/** Expected rule, reason or code, and the path that the message names. */
const expectedRefusalMembers = { rule: textReader, path: { optional: textReader } };

/** One row of the attack table, with exactly one of the kinds. */
export const attackReader = object({
  name: textReader,
  row: stringEnum(THREAT_ROW_IDS),
  as: stringEnum(['editor', 'break-glass', 'agent', 'neighbor', 'node']),
  /** Rights of the sender in addition to the ClusterRole `edit`. */
  may: { optional: list(rightReader, { min: 1 }) },
  create: { optional: createReader },
  change: { optional: changeReader },
  request: { optional: requestReader },
  reach: { optional: portAccessReader },
  exchange: { optional: exchangeReader },
  use: { optional: useReader },
  unadmitted: { optional: unadmittedReader },
  ...expectedRefusalMembers,
  /** Further violations in the same message. */
  also: { optional: list(object(expectedRefusalMembers), { min: 1 }) },
  /** Further text of the message. */
  message: { optional: textReader },
});
