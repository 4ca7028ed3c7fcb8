import {
  isObject,
  readServerMessage,
  serializeMessage,
  type JsonObject,
  type McpMessage,
  type MessageId,
} from './messages.ts';
import { isMcpAllowed, isTemplateAllowed, type McpKind, type McpScope } from './permissions.ts';
import { allowMcp, refuseMcp, type McpResult } from './refusals.ts';
import { selectPinnedMembers } from './tool-digest.ts';
import type { ToolPins } from './tool-pins.ts';

export type AnswerRules = {
  readonly scope: McpScope;
  /** Absent: the Upstream pins no tools, and `allow` alone decides. */
  readonly pins?: ToolPins;
  /** Whether the server may ask the client: sampling, elicitation, roots. */
  readonly allowsServerRequests: boolean;
};

/** What becomes of a server's message. */
export type FilteredAnswer = {
  /** The message for the client; absent: none. */
  readonly forward?: string;
  /** The gateway's own answer to the server, in place of the client's. */
  readonly reply?: string;
};

type ListedItem = { readonly member: string; readonly isShown: (item: JsonObject) => boolean };

const byName = (scope: McpScope, kind: McpKind, member: string) => (item: JsonObject) => {
  const name = item[member];
  return typeof name === 'string' && isMcpAllowed(scope, { kind, name });
};

/** By member of a result: lists are recognized by their shape, so that no answer can hide one. */
const buildLists = ({ scope, pins }: AnswerRules): readonly ListedItem[] => [
  {
    member: 'tools',
    isShown: (tool) => byName(scope, 'tools', 'name')(tool) && (pins?.isShown(tool) ?? true),
  },
  { member: 'resources', isShown: byName(scope, 'resources', 'uri') },
  { member: 'prompts', isShown: byName(scope, 'prompts', 'name') },
  {
    member: 'resourceTemplates',
    isShown: ({ uriTemplate }) =>
      typeof uriTemplate === 'string' && isTemplateAllowed(scope, uriTemplate),
  },
];

const LISTS = ['tools', 'resources', 'prompts', 'resourceTemplates'];
/** Members of a result by which the gateway decides. */
const DECIDED = new Map([...LISTS, 'inputRequests'].map((name) => [name.toLowerCase(), name]));

/** A decoder that ignores case takes `Tools` for `tools`. */
const hasDisguisedMember = (result: JsonObject): boolean =>
  Object.keys(result).some((key) => {
    const name = DECIDED.get(key.toUpperCase().toLowerCase());
    return name !== undefined && name !== key;
  });

const filterList = (list: unknown, { isShown }: ListedItem): readonly JsonObject[] =>
  Array.isArray(list) ? list.filter(isObject).filter(isShown) : [];

const filterLists = (result: JsonObject, rules: AnswerRules): JsonObject => {
  const filtered = new Map(Object.entries(result));
  for (const list of buildLists(rules)) {
    if (!Object.hasOwn(result, list.member)) continue;
    const shown = filterList(result[list.member], list);
    const isPinned = list.member === 'tools' && rules.pins !== undefined;
    filtered.set(list.member, isPinned ? shown.map(selectPinnedMembers) : shown);
  }
  return Object.fromEntries(filtered);
};

/** MCP 2026-07-28 asks the client in a result (`inputRequests`), not in a request of the server. */
const asksClient = (result: JsonObject): boolean =>
  isObject(result['inputRequests'])
    ? Object.keys(result['inputRequests']).length > 0
    : 'inputRequests' in result;

const NOT_ALLOWED = 'valetkey: the Upstream does not allow requests of the server';

const renderError = (id: MessageId): string =>
  JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: NOT_ALLOWED } });

/** @param text of the message: it is kept where nothing is removed, with numbers that no double holds */
const filterResponse = (
  { id, value }: McpMessage & { kind: 'response' },
  { text, rules }: { text: string; rules: AnswerRules },
): McpResult<FilteredAnswer> => {
  if (!('result' in value)) return allowMcp({ forward: text });
  const { result } = value;
  if (!isObject(result) || hasDisguisedMember(result)) {
    return refuseMcp('upstream_untrusted', 'expected a result with the members that MCP defines');
  }
  if (asksClient(result) && !rules.allowsServerRequests) {
    return allowMcp({ forward: renderError(id) });
  }
  const { tools } = result;
  if (Array.isArray(tools)) rules.pins?.observe(tools.filter(isObject));
  if (!LISTS.some((name) => Object.hasOwn(result, name))) return allowMcp({ forward: text });
  const filtered = { ...value, result: filterLists(result, rules) };
  return allowMcp({ forward: serializeMessage({ value: filtered }) });
};

/**
 * Filters one message of a server: lists hold what the task allows and the Upstream pins, and requests to
 * the client pass only where the Upstream allows them. `ping` always passes.
 *
 * @returns `upstream_untrusted` if two readers could understand it differently
 */
export const filterServerMessage = (
  body: Uint8Array,
  rules: AnswerRules,
): McpResult<FilteredAnswer> => {
  const message = readServerMessage(body);
  if (!message.ok) return message;
  const { value } = message;
  const text = Buffer.from(body).toString('utf8');
  if (value.kind === 'response') return filterResponse(value, { text, rules });
  if (value.kind === 'request' && value.method !== 'ping' && !rules.allowsServerRequests) {
    return allowMcp({ reply: renderError(value.id) });
  }
  if (value.method === 'notifications/tools/list_changed') rules.pins?.forget();
  return allowMcp({ forward: text });
};

/** How the body of an answer is read. */
export type AnswerPlan = 'message' | 'events' | 'text';

/**
 * Plans the body of an answer. Errors and redirects of a server or of what is before it need not be MCP
 * (`text`), and clients take them for no message; everything else must be.
 */
export const planMcpAnswer = ({
  status,
  contentType,
}: {
  status: number;
  contentType: string | undefined;
}): McpResult<AnswerPlan> => {
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase();
  if (type === 'text/event-stream') return allowMcp('events');
  if (status >= 300 || status === 202 || status === 204) return allowMcp('text');
  return type === 'application/json'
    ? allowMcp('message')
    : refuseMcp('upstream_untrusted', 'expected application/json or text/event-stream');
};
