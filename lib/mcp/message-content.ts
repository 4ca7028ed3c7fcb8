import { isObject, type JsonObject, type McpMessage } from './messages.ts';

/** Members of `_meta` that a client fills again for each request: MCP, "Progress", and traces (W3C Trace Context). */
const VOLATILE = new Set(['progressToken', 'traceparent', 'tracestate', 'baggage']);

const selectMeta = (meta: unknown): JsonObject => {
  const kept = Object.entries(isObject(meta) ? meta : {}).filter(([name]) => !VOLATILE.has(name));
  return kept.length === 0 ? {} : { _meta: Object.fromEntries(kept) };
};

/** Selects what a message asks for: the same in every repetition, whatever its ID is. */
export const selectMessageContent = (message: McpMessage): JsonObject => {
  if (message.kind === 'response') return { response: message.value };
  const { method, params } = message;
  const { _meta: meta, ...own } = params;
  return { method, params: { ...own, ...selectMeta(meta) } };
};
