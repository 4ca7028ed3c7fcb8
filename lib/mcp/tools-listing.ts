import { isObject, toMessage, type McpMessage } from './messages.ts';

/** Pages that the gateway reads before a call; tools on later ones count as not listed. */
export const MAX_LIST_PAGES = 64;

/** Of 2026-07-28: version, client and its capabilities, without which a stateless server refuses. */
const META_PREFIX = 'io.modelcontextprotocol/';

const LIST_ID = 'valetkey-list';

const selectMeta = (call: McpMessage): object => {
  const meta = call.kind === 'request' ? call.params['_meta'] : undefined;
  const entries = isObject(meta) ? Object.entries(meta) : [];
  const selected = entries.filter(([key]) => key.startsWith(META_PREFIX));
  return selected.length === 0 ? {} : { _meta: Object.fromEntries(selected) };
};

/**
 * Builds the list that the gateway requests before it calls a pinned tool, in the era of the call.
 *
 * @param cursor of the next page
 */
export const buildToolsList = (call: McpMessage, cursor?: string): McpMessage => {
  const params = { ...selectMeta(call), ...(cursor === undefined ? {} : { cursor }) };
  const message = toMessage({ jsonrpc: '2.0', id: LIST_ID, method: 'tools/list', params });
  if (message === undefined) throw new Error('tools/list: expected a message of JSON-RPC');
  return message;
};

/** One page of the list; without `cursor` it was the last one. */
export type ListAnswer = { readonly cursor?: string };

/**
 * Reads the answer to {@link buildToolsList}.
 *
 * @param answer as the filter of answers forwards it
 * @returns undefined for another message
 */
export const readListAnswer = (answer: string): ListAnswer | undefined => {
  const value: unknown = JSON.parse(answer);
  if (!isObject(value) || value['id'] !== LIST_ID || 'method' in value) return undefined;
  const { result } = value;
  const cursor = isObject(result) ? result['nextCursor'] : undefined;
  return typeof cursor === 'string' ? { cursor } : {};
};
