import type { JsonObject, McpMessage } from './messages.ts';
import type { McpRefusal, McpRefusalCode } from './refusals.ts';
import { getBodyVersion } from './request-headers.ts';

/** Of the range that MCP leaves to implementations, outside what the SDKs use. */
const ERROR_CODE = -32010;

/** HTTP status where no JSON-RPC response can carry the refusal. */
const STATUS: Readonly<Record<McpRefusalCode, number>> = {
  request_malformed: 400,
  body_too_large: 413,
  operation_unknown: 501,
  tool_outside: 403,
  resource_outside: 403,
  tool_unpinned: 403,
  tool_drift: 403,
  session_unknown: 404,
  upstream_untrusted: 502,
};

export type RenderedMcpRefusal = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** A model reads a tool's result and can go on; an error of the protocol may end its client's call. */
const toResult = (text: string, code: string, params: JsonObject): JsonObject => ({
  ...(getBodyVersion(params) === undefined ? {} : { resultType: 'complete' }),
  content: [{ type: 'text', text }],
  isError: true,
  _meta: { 'valetkey.dev/code': code },
});

/**
 * Renders a refusal for an MCP client: `tools/call` gets a result with `isError`, other requests an error of
 * JSON-RPC, both with HTTP status 200. An unknown session is 404, at which clients begin a new one.
 *
 * @param message absent: it could not be read, so that its ID is not known
 */
export const renderMcpRefusal = (
  { code, message: text }: McpRefusal,
  message?: McpMessage,
): RenderedMcpRefusal => {
  const shown = `valetkey: ${text} (${code})`;
  const headers = { 'content-type': 'application/json', 'x-valetkey-code': code };
  const error = { code: ERROR_CODE, message: shown, data: { code } };
  if (message?.kind !== 'request' || code === 'session_unknown') {
    return { status: STATUS[code], headers, body: JSON.stringify({ jsonrpc: '2.0', error }) };
  }
  const { id, method, params } = message;
  const answer = method === 'tools/call' ? { result: toResult(shown, code, params) } : { error };
  return { status: 200, headers, body: JSON.stringify({ jsonrpc: '2.0', id, ...answer }) };
};
