import { integer, list, object, oneOf, refuse, string } from '../../lib/reading/reader.ts';
import type { Reader } from '../../lib/reading/reader.ts';
import { ROW_IDS } from './rows.ts';

const text = string({ expected: 'text', pattern: /\S/ });
const anything: Reader<unknown> = (value) => value;

type Members = Readonly<Record<string, unknown>>;

const mapping: Reader<Members> = (value, path, faults) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : refuse(faults, { path, expected: 'a mapping', value });

const textOrMapping: Reader<string | Members> = (value, path, faults) =>
  typeof value === 'string' ? value : mapping(value, path, faults);

/** JSON Patch (RFC 6902); a `value` with `times` stands for so many of it in a row. */
const operation = object({
  op: oneOf(['add', 'replace', 'remove']),
  path: string({ expected: 'a JSON pointer', pattern: /^\// }),
  value: { optional: anything },
  times: { optional: integer({ min: 2, max: 100_000 }) },
});

/** A base pod, changed. `declare`: its task as text, or members that replace those of the base. */
const create = object({
  of: { reader: oneOf(['declared', 'injected', 'plain']), otherwise: 'declared' as const },
  in: { optional: oneOf(['kube-system']) },
  declare: { optional: textOrMapping },
  patch: { reader: list(operation), otherwise: [] },
});

/** A change of the running pod, by itself or through a subresource. */
const change = object({
  through: { optional: oneOf(['status', 'resize', 'ephemeralcontainers']) },
  patch: list(operation, { min: 1 }),
});

/** Anything else that the API server takes; its path begins below the namespace, or with a slash. */
const request = object({
  method: oneOf(['GET', 'POST']),
  path: text,
  body: { optional: mapping },
});

/** A port of the running pod, by way of the API server. */
const reach = object({
  by: oneOf(['proxy', 'portforward']),
  port: integer({ min: 1, max: 65_535 }),
  path: text,
});

/**
 * A token, put to the authority or straight to the cloud: what the kubelet keeps for the sidecar of a
 * pod, what an editor asked the API server for (for `audience`), or what stands in a Secret.
 */
const exchange = object({
  token: oneOf(['of the pod', 'of a deleted pod', 'of a closing pod', 'asked for', 'of a Secret']),
  audience: { optional: text },
  forged: { optional: oneOf(['edited', 'unsigned', 'by the public key']) },
  to: { reader: oneOf(['authority', 'cloud']), otherwise: 'authority' as const },
});

/** Credentials of the running pod, put to the cloud. */
const use = object({
  operation: oneOf(['get', 'put', 'list']),
  bucket: { reader: oneOf(['acme-data', 'acme-other']), otherwise: 'acme-data' as const },
  key: text,
});

/** A copy of an injected pod, made where neither webhook is asked, that asks for credentials. */
const unseen = object({ patch: { reader: list(operation), otherwise: [] } });

const right = string({
  expected: '<verb> <resource>[/<subresource>][.<group>]',
  pattern: /^[a-z]+ [a-z]+(\/[a-z]+)?(\.[a-z.]+)?$/,
});

/** The rule that must answer, or the reason or code that must, and the path that it names. */
const answer = { rule: text, path: { optional: text } };

/** One attack, as a file of this folder writes it: exactly one of its kinds. */
export const attack = object({
  name: text,
  row: oneOf(ROW_IDS),
  as: oneOf(['editor', 'break-glass', 'agent', 'neighbour', 'node']),
  /** What its sender may do beside ClusterRole `edit`. */
  may: { optional: list(right, { min: 1 }) },
  create: { optional: create },
  change: { optional: change },
  request: { optional: request },
  reach: { optional: reach },
  exchange: { optional: exchange },
  use: { optional: use },
  unseen: { optional: unseen },
  ...answer,
  /** Whatever else is named in the same breath. */
  also: { optional: list(object(answer), { min: 1 }) },
  /** What the message says besides. */
  words: { optional: text },
});
