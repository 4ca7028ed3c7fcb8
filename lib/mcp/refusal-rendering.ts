import type { JsonObject, McpMessage } from './messages.ts';
import { getBodyVersion } from './request-headers.ts';

/** Of the range that MCP leaves to implementations, outside what the SDKs use. */
const ERROR_CODE = -32010;
/** JSON-RPC 2.0, section 5.1: by it clients know that a feature is not there. */
const METHOD_NOT_FOUND = -32601;

/** A refusal as one message of JSON-RPC. */
export type RenderedMcpRefusal = {
  /** Whether it answers the client's request: then the HTTP status is 200, else that of the code. */
  readonly isResponse: boolean;
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
 * JSON-RPC. An unknown session is no response: clients begin a new session at its status 404.
 *
 * @param message absent: it could not be read, so that its ID is not known
 */
export const renderMcpRefusal = (
  { code, message: text }: { readonly code: string; readonly message: string },
  message?: McpMessage,
): RenderedMcpRefusal => {
  const shown = `valetkey: ${text} (${code})`;
  const errorCode = code === 'operation_unknown' ? METHOD_NOT_FOUND : ERROR_CODE;
  const error = { code: errorCode, message: shown, data: { code } };
  if (message?.kind !== 'request' || code === 'session_unknown') {
    return { isResponse: false, body: JSON.stringify({ jsonrpc: '2.0', error }) };
  }
  const { id, method, params } = message;
  const answer = method === 'tools/call' ? { result: toResult(shown, code, params) } : { error };
  return { isResponse: true, body: JSON.stringify({ jsonrpc: '2.0', id, ...answer }) };
};
