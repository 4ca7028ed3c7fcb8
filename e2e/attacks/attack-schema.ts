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

/** JSON Patch (RFC 6902); a `value` with `times` stands for so many of it in a row. */
const operationReader = object({
  op: stringEnum(['add', 'replace', 'remove']),
  path: string({ expected: 'a JSON pointer', pattern: /^\// }),
  value: { optional: anythingReader },
  times: { optional: integer({ min: 2, max: 100_000 }) },
});

/** A base pod, changed. `declare`: its task as text, or members that replace those of the base. */
const createReader = object({
  of: { reader: stringEnum(['declared', 'injected', 'plain']), otherwise: 'declared' as const },
  in: { optional: stringEnum(['kube-system']) },
  declare: { optional: textOrMappingReader },
  patch: { reader: list(operationReader), otherwise: [] },
});

/** A change of the running pod, by itself or through a subresource. */
const changeReader = object({
  through: { optional: stringEnum(['status', 'resize', 'ephemeralcontainers']) },
  patch: list(operationReader, { min: 1 }),
});

/** Anything else that the API server takes; its path begins below the namespace, or with a slash. */
const requestReader = object({
  method: stringEnum(['GET', 'POST']),
  path: textReader,
  body: { optional: mappingReader },
});

/** A port of the running pod, by way of the API server. */
const portAccessReader = object({
  by: stringEnum(['proxy', 'portforward']),
  port: integer({ min: 1, max: 65_535 }),
  path: textReader,
});

/**
 * A token, put to the authority or straight to the cloud: what the kubelet keeps for the sidecar of a
 * pod, what an editor asked the API server for (for `audience`), or what stands in a Secret.
 */
const exchangeReader = object({
  token: stringEnum([
    'of the pod',
    'of a deleted pod',
    'of a closing pod',
    'asked for',
    'of a Secret',
  ]),
  audience: { optional: textReader },
  forged: { optional: stringEnum(['edited', 'unsigned', 'by the public key']) },
  to: { reader: stringEnum(['authority', 'cloud']), otherwise: 'authority' as const },
});

/** Credentials of the running pod, put to the cloud. */
const useReader = object({
  operation: stringEnum(['get', 'put', 'list']),
  bucket: { reader: stringEnum(['acme-data', 'acme-other']), otherwise: 'acme-data' as const },
  key: textReader,
});

/** A copy of an injected pod, made where neither webhook is asked, that asks for credentials. */
const unadmittedReader = object({ patch: { reader: list(operationReader), otherwise: [] } });

const rightReader = string({
  expected: '<verb> <resource>[/<subresource>][.<group>]',
  pattern: /^[a-z]+ [a-z]+(\/[a-z]+)?(\.[a-z.]+)?$/,
});

/** The rule that must answer, or the reason or code that must, and the path that it names. */
const expectedRefusalMembers = { rule: textReader, path: { optional: textReader } };

/** One attack, as a file of this folder writes it: exactly one of its kinds. */
export const attackReader = object({
  name: textReader,
  row: stringEnum(THREAT_ROW_IDS),
  as: stringEnum(['editor', 'break-glass', 'agent', 'neighbour', 'node']),
  /** What its sender may do beside ClusterRole `edit`. */
  may: { optional: list(rightReader, { min: 1 }) },
  create: { optional: createReader },
  change: { optional: changeReader },
  request: { optional: requestReader },
  reach: { optional: portAccessReader },
  exchange: { optional: exchangeReader },
  use: { optional: useReader },
  unseen: { optional: unadmittedReader },
  ...expectedRefusalMembers,
  /** Whatever else is named in the same breath. */
  also: { optional: list(object(expectedRefusalMembers), { min: 1 }) },
  /** What the message says besides. */
  words: { optional: textReader },
});
