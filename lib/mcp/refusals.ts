/** Why the gateway does not pass on an MCP message. Stable codes. */
export type McpRefusalCode =
  | 'request_malformed'
  | 'body_too_large'
  | 'operation_unknown'
  | 'tool_outside'
  | 'resource_outside'
  | 'tool_unpinned'
  | 'tool_drift'
  | 'session_unknown'
  | 'upstream_untrusted'
  | 'secret_echoed';

/** A refused message. The text holds no argument, result or header value. */
export type McpRefusal = { readonly code: McpRefusalCode; readonly message: string };

/** A value, or the refusal of the message. */
export type McpResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: McpRefusal };

export const allowMcp = <T>(value: T): McpResult<T> => ({ ok: true, value });

export const refuseMcp = (code: McpRefusalCode, message: string): McpResult<never> => ({
  ok: false,
  refusal: { code, message },
});
