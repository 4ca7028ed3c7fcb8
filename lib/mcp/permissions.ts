import type { TaskStatement } from '../contract/task.ts';
import { matchesPattern, patternsOverlap } from '../schema/wildcard-patterns.ts';
import { isObject, type JsonObject, type McpMessage } from './messages.ts';
import { allowMcp, refuseMcp, type McpRefusal, type McpResult } from './refusals.ts';

/** What an MCP server offers by name. */
export type McpKind = 'tools' | 'resources' | 'prompts';

/** One permission that a message needs. */
export type McpPermission = {
  readonly kind: McpKind;
  /** Name of the tool or prompt, or URI of the resource, as in the message. */
  readonly name: string;
};

const MCP_ACTIONS: Readonly<Record<McpKind, string>> = {
  tools: 'mcp:tools/call',
  resources: 'mcp:resources/read',
  prompts: 'mcp:prompts/get',
};

/** Requests that need no permission; what they list is filtered. */
const FREE_REQUESTS = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'prompts/list',
  'completion/complete',
  'logging/setLevel',
]);

/** Requests that need one permission: its kind, and the member of `params` that names it. */
const NAMED_REQUESTS: Readonly<Record<string, readonly [McpKind, string]>> = {
  'tools/call': ['tools', 'name'],
  'resources/read': ['resources', 'uri'],
  'resources/subscribe': ['resources', 'uri'],
  'resources/unsubscribe': ['resources', 'uri'],
  'prompts/get': ['prompts', 'name'],
};

/** Of 2026-07-28 in place of `resources/subscribe`: names resources in `notifications`. */
const LISTEN = 'subscriptions/listen';

const MAX_NAME_LENGTH = 2048;

/** RFC 3986 `pchar` and `/`, without `*`: so every character keeps its meaning and none is a wildcard. */
const KEPT = /[^A-Za-z0-9\-._~:/@!$&'()+,;=]/gu;

const encodeByte = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/**
 * Encodes a name for a resource of a task. Slashes and colons remain, so that URIs are readable:
 * `file:///docs/a b` is `file:///docs/a%20b`. `%` becomes `%25`, so no two names have one encoding.
 */
export const encodeMcpName = (name: string): string =>
  name.replace(KEPT, (text) => [...Buffer.from(text)].map(encodeByte).join(''));

/** `mcp://<upstream>/<tools|resources|prompts>/<name>`, as a task names it. */
const formatMcpResource = (upstream: string, { kind, name }: McpPermission): string =>
  `mcp://${upstream}/${kind}/${encodeMcpName(name)}`;

const isName = (name: unknown): name is string =>
  typeof name === 'string' && name !== '' && name.length <= MAX_NAME_LENGTH && name.isWellFormed();

/** A server resolves these, so the text says less than it seems to: `file:///docs/../secret`. */
const DOT_SEGMENT = /(?:^|[/\\])\.{1,2}(?:[/\\?#]|$)/;

/** Decodes as often as a chain of servers might. */
const decodeFully = (uri: string): string | undefined => {
  let text = uri;
  for (let round = 0; round < 4; round += 1) {
    try {
      const decoded = decodeURIComponent(text);
      if (decoded === text) return text;
      text = decoded;
    } catch {
      return undefined;
    }
  }
  return undefined;
};

const isPlainUri = (uri: string): boolean => {
  const decoded = decodeFully(uri);
  return (
    decoded !== undefined &&
    !DOT_SEGMENT.test(decoded) &&
    !/%(?:2f|5c)/i.test(uri) &&
    !decoded.includes('\\')
  );
};

const toPermission = (kind: McpKind, name: unknown, member: string): McpResult<McpPermission> => {
  if (!isName(name)) {
    return refuseMcp('request_malformed', `expected a name of 1 to 2048 characters in ${member}`);
  }
  return kind === 'resources' && !isPlainUri(name)
    ? refuseMcp('request_malformed', `expected a URI without dot segments in ${member}`)
    : allowMcp({ kind, name });
};

const listListenPermissions = (params: JsonObject): McpResult<readonly McpPermission[]> => {
  const filter = params['notifications'] ?? {};
  const uris = isObject(filter) ? (filter['resourceSubscriptions'] ?? []) : undefined;
  if (!Array.isArray(uris)) {
    return refuseMcp('request_malformed', 'expected a list in resourceSubscriptions');
  }
  const permissions: McpPermission[] = [];
  for (const uri of uris) {
    const permission = toPermission('resources', uri, 'resourceSubscriptions');
    if (!permission.ok) return permission;
    permissions.push(permission.value);
  }
  return allowMcp(permissions);
};

const unknown = (): McpResult<never> =>
  refuseMcp('operation_unknown', 'expected a method of MCP that the gateway knows');

/**
 * Lists the permissions that a client's message needs. Unknown methods are refused, and so is a call
 * without ID: a server might run it as a notification.
 */
const listMcpPermissions = (message: McpMessage): McpResult<readonly McpPermission[]> => {
  if (message.kind === 'response') return allowMcp([]);
  const { kind, method, params } = message;
  if (kind === 'notification')
    return method.startsWith('notifications/') ? allowMcp([]) : unknown();
  if (FREE_REQUESTS.has(method)) return allowMcp([]);
  if (method === LISTEN) return listListenPermissions(params);
  const named = Object.hasOwn(NAMED_REQUESTS, method) ? NAMED_REQUESTS[method] : undefined;
  if (named === undefined) return unknown();
  const [namedKind, member] = named;
  const permission = toPermission(namedKind, params[member], `params.${member}`);
  return permission.ok ? allowMcp([permission.value]) : permission;
};

/** What a task allows at one MCP server. */
export type McpScope = {
  readonly task: string;
  readonly upstream: string;
  /** The statements of the run, with their params bound. */
  readonly allow: readonly TaskStatement[];
};

const listPatterns = ({ allow }: McpScope, kind: McpKind): readonly string[] =>
  allow
    .filter(({ actions }) => actions.some((action) => matchesPattern(action, MCP_ACTIONS[kind])))
    .flatMap(({ resources }) => resources);

/** Whether one statement allows the action on the name. */
export const isMcpAllowed = (scope: McpScope, permission: McpPermission): boolean => {
  const resource = formatMcpResource(scope.upstream, permission);
  return listPatterns(scope, permission.kind).some((pattern) => matchesPattern(pattern, resource));
};

/** Whether a task allows any resource that a URI template (RFC 6570) can name. */
export const isTemplateAllowed = (scope: McpScope, template: string): boolean => {
  const [head = '', ...rest] = template.split(/\{[^}]*\}/);
  const encoded = [head, ...rest].map(encodeMcpName).join('*');
  const pattern = `mcp://${scope.upstream}/resources/${encoded}`;
  return listPatterns(scope, 'resources').some((allowed) => patternsOverlap(allowed, pattern));
};

/** What a client's message needs, and why it is refused if it is. */
export type McpAuthorization = {
  /** Of a refused message the refused permission is the last one. */
  readonly permissions: readonly McpPermission[];
  readonly refusal?: McpRefusal;
};

/** A permission as a task and the journal name it. */
export const describeMcpPermission = (
  permission: McpPermission,
  { upstream }: Pick<McpScope, 'upstream'>,
): { readonly action: string; readonly resource: string } => ({
  action: MCP_ACTIONS[permission.kind],
  resource: formatMcpResource(upstream, permission),
});

/** Decides whether a client's message is within its task; default deny. */
export const evaluateMcpMessage = (message: McpMessage, scope: McpScope): McpAuthorization => {
  const listed = listMcpPermissions(message);
  if (!listed.ok) return { permissions: [], refusal: listed.refusal };
  const permissions = listed.value;
  const outside = permissions.find((permission) => !isMcpAllowed(scope, permission));
  if (outside === undefined) return { permissions };
  const { action, resource } = describeMcpPermission(outside, scope);
  return {
    permissions: permissions.slice(0, permissions.indexOf(outside) + 1),
    refusal: {
      code: outside.kind === 'tools' ? 'tool_outside' : 'resource_outside',
      message: `${action} on ${resource} is outside task ${scope.task}`,
    },
  };
};

/** Whether a message opens a stream that lasts until one side ends it (2026-07-28). */
export const isListening = (message: McpMessage): boolean =>
  message.kind === 'request' && message.method === LISTEN;

/** A method for the journal: unknown ones could hold anything. */
export const describeMcpMethod = (message: McpMessage): string => {
  if (message.kind === 'response') return 'response';
  const { method } = message;
  const isKnown =
    FREE_REQUESTS.has(method) || Object.hasOwn(NAMED_REQUESTS, method) || method === LISTEN;
  if (isKnown) return method;
  return message.kind === 'notification' ? 'notification' : 'unknown';
};
