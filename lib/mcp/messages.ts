import { parseStrictJson } from '../schema/strict-json.ts';
import { allowMcp, refuseMcp, type McpResult } from './refusals.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** JSON-RPC 2.0, section 4, without `null` (MCP, "Requests"). */
export type MessageId = string | number;

/** One message of JSON-RPC 2.0 as MCP uses it. `value` is the whole message. */
export type McpMessage = { readonly value: JsonObject } & (
  | {
      readonly kind: 'request';
      readonly id: MessageId;
      readonly method: string;
      /** Empty if the message has none. */
      readonly params: JsonObject;
    }
  | { readonly kind: 'notification'; readonly method: string; readonly params: JsonObject }
  | { readonly kind: 'response'; readonly id: MessageId }
);

export const MAX_REQUEST_BYTES = 1024 * 1024;
/** Of one message of a server: lists are read whole before they are filtered. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 64;
/** Of a server's message: down to the members of a listed tool. Schemas below may differ in case. */
const ANSWER_FOLD_DEPTH = 4;
const MAX_ID_LENGTH = 256;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Go's decoder takes the long s for an s, which lower case alone does not show. */
const fold = (key: string): string => key.toUpperCase().toLowerCase();

const isPortableNumber = (value: number): boolean =>
  Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));

/**
 * Finds what two readers could understand differently although it is valid JSON (RFC 7493): numbers that
 * are no double, text that is no Unicode, keys that differ only in case.
 *
 * @returns what was expected
 */
const findAmbiguity = (value: unknown): string | undefined => {
  if (typeof value === 'number' && !isPortableNumber(value)) {
    return 'integers up to 2^53 - 1 (larger ones as text)';
  }
  if (typeof value === 'string' && !value.isWellFormed()) return 'well-formed Unicode';
  if (typeof value !== 'object' || value === null) return undefined;
  const keys = Array.isArray(value) ? [] : Object.keys(value);
  if (new Set(keys.map(fold)).size < keys.length) return 'keys that differ in more than case';
  const values: readonly unknown[] = Object.values(value);
  return [...keys, ...values].map(findAmbiguity).find((fault) => fault !== undefined);
};

const isId = (id: unknown): id is MessageId =>
  typeof id === 'string' ? id.length <= MAX_ID_LENGTH : Number.isSafeInteger(id);

const hasOnly = (value: JsonObject, names: readonly string[]): boolean =>
  Object.keys(value).every((name) => names.includes(name));

const CALL_MEMBERS = ['jsonrpc', 'id', 'method', 'params'];
const RESPONSE_MEMBERS = ['jsonrpc', 'id', 'result', 'error'];

/** @returns undefined for anything but exactly one message */
export const toMessage = (value: unknown): McpMessage | undefined => {
  if (!isObject(value) || value['jsonrpc'] !== '2.0') return undefined;
  const { id, method, params = {} } = value;
  if ('method' in value) {
    const isCall = typeof method === 'string' && isObject(params) && hasOnly(value, CALL_MEMBERS);
    if (!isCall) return undefined;
    if (!('id' in value)) return { kind: 'notification', method, params, value };
    return isId(id) ? { kind: 'request', id, method, params, value } : undefined;
  }
  const isResponse = 'result' in value !== 'error' in value && hasOnly(value, RESPONSE_MEMBERS);
  return isResponse && isId(id) ? { kind: 'response', id, value } : undefined;
};

/**
 * Reads the body of a client's POST: one message, no batch.
 *
 * @returns a refusal without any text of the body
 */
export const readClientMessage = (body: Uint8Array): McpResult<McpMessage> => {
  if (body.length > MAX_REQUEST_BYTES) {
    return refuseMcp('body_too_large', `expected at most ${MAX_REQUEST_BYTES} bytes`);
  }
  const json = parseStrictJson(body, { maxDepth: MAX_DEPTH, foldCaseDepth: MAX_DEPTH });
  if (!json.ok) {
    const [fault] = json.faults;
    return refuseMcp('request_malformed', `expected ${fault?.expected}, got ${fault?.got}`);
  }
  const ambiguity = findAmbiguity(json.value);
  if (ambiguity !== undefined) return refuseMcp('request_malformed', `expected ${ambiguity}`);
  const message = toMessage(json.value);
  return message === undefined
    ? refuseMcp('request_malformed', 'expected one message of JSON-RPC 2.0, no batch')
    : allowMcp(message);
};

/** Reads one message of a server, under the same rules as far as the gateway decides by it. */
export const readServerMessage = (body: Uint8Array): McpResult<McpMessage> => {
  if (body.length > MAX_ANSWER_BYTES) {
    return refuseMcp(
      'upstream_untrusted',
      `expected messages of at most ${MAX_ANSWER_BYTES} bytes`,
    );
  }
  const json = parseStrictJson(body, { maxDepth: MAX_DEPTH, foldCaseDepth: ANSWER_FOLD_DEPTH });
  const message = json.ok ? toMessage(json.value) : undefined;
  return message === undefined
    ? refuseMcp('upstream_untrusted', 'expected one unambiguous message of JSON-RPC 2.0')
    : allowMcp(message);
};

/** The message as it is sent: what was decided on, byte for byte. */
export const serializeMessage = ({ value }: Pick<McpMessage, 'value'>): string =>
  JSON.stringify(value);
