import { isObject, type JsonObject, type McpMessage } from './messages.ts';
import { allowMcp, refuseMcp, type McpResult } from './refusals.ts';

/** MCP 2026-07-28, `_meta` of each request. */
const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

const VERSION = /^[A-Za-z0-9][\w.-]{0,31}$/;

/** Methods whose name is mirrored, and the member of `params` that holds it. */
const NAME_MEMBERS: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'resources/subscribe': 'uri',
  'resources/unsubscribe': 'uri',
};

/** Printable ASCII without spaces at the ends. */
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const SENTINEL = /^=\?base64\?.*\?=$/;

/** Encodes a value as MCP 2026-07-28, "Value Encoding", requires. */
export const encodeMcpHeader = (value: string): string =>
  PLAIN.test(value) && !SENTINEL.test(value)
    ? value
    : `=?base64?${Buffer.from(value).toString('base64')}?=`;

/**
 * The protocol version that a stateless request states in its body.
 *
 * @returns undefined in the era of sessions, up to 2025-11-25
 */
export const getBodyVersion = (params: JsonObject): unknown => {
  const meta = params['_meta'];
  return isObject(meta) ? meta[VERSION_KEY] : undefined;
};

const readVersion = (
  message: McpMessage,
  header: string | undefined,
): McpResult<string | undefined> => {
  const inBody = message.kind === 'response' ? undefined : getBodyVersion(message.params);
  const version = inBody ?? header;
  return version === undefined || (typeof version === 'string' && VERSION.test(version))
    ? allowMcp(version)
    : refuseMcp('request_malformed', 'expected a protocol version such as 2026-07-28');
};

const findName = (message: McpMessage): string | undefined => {
  if (message.kind !== 'request' || !Object.hasOwn(NAME_MEMBERS, message.method)) return undefined;
  const name = message.params[NAME_MEMBERS[message.method] ?? ''];
  return typeof name === 'string' ? name : undefined;
};

/** What a request without a body of its own needs. */
const LISTEN_HEADERS = [
  'accept',
  'last-event-id',
  'mcp-protocol-version',
  'mcp-session-id',
  'user-agent',
];

/** A server takes what these say for what the body says, so only the body says it. */
const WRITTEN = ['mcp-method', 'mcp-name', 'mcp-protocol-version'];

/** Selects the headers of a request without message, and of a response to a request of the server. */
export const selectListenHeaders = (
  headers: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> =>
  new Map([...headers].filter(([name]) => LISTEN_HEADERS.includes(name)));

/**
 * Writes the headers that mirror the body. Servers of the era of sessions ignore `Mcp-Method` and
 * `Mcp-Name`. `Mcp-Param-*` pass as they are: they follow a tool's schema, and servers compare them.
 *
 * @param headers by lower-case name
 */
export const writeMcpHeaders = (
  headers: ReadonlyMap<string, string>,
  message: McpMessage,
): McpResult<ReadonlyMap<string, string>> => {
  const version = readVersion(message, headers.get('mcp-protocol-version'));
  if (!version.ok) return version;
  const written = new Map([...headers].filter(([name]) => !WRITTEN.includes(name)));
  const name = findName(message);
  if (message.kind !== 'response') written.set('mcp-method', encodeMcpHeader(message.method));
  if (name !== undefined) written.set('mcp-name', encodeMcpHeader(name));
  if (version.value !== undefined) written.set('mcp-protocol-version', version.value);
  return allowMcp(written);
};
