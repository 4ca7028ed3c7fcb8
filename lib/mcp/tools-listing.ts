import { isObject, toMessage, type McpMessage } from './messages.ts';

/** Pages that the gateway reads before a call; tools on later ones count as not listed. */
export const MAX_LIST_PAGES = 64;

/** Of 2026-07-28: version, client and its capabilities, without which a stateless server refuses. */
const META_PREFIX = 'io.modelcontextprotocol/';

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
  const message = toMessage({ jsonrpc: '2.0', id: 'valetkey-list', method: 'tools/list', params });
  if (message === undefined) throw new Error('tools/list: expected a message of JSON-RPC');
  return message;
};

/**
 * Finds the cursor of the next page.
 *
 * @param answer as the filter of answers forwards it
 */
export const findNextCursor = (answer: string): string | undefined => {
  const value: unknown = JSON.parse(answer);
  const result = isObject(value) ? value['result'] : undefined;
  const cursor = isObject(result) ? result['nextCursor'] : undefined;
  return typeof cursor === 'string' ? cursor : undefined;
};
