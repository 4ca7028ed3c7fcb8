import {
  MAX_CALL_ARGUMENT_LENGTH,
  MAX_CALL_ARGUMENTS,
  MAX_GATED_CALL_LENGTH,
  type Gate,
  type GatedCall,
} from '../contract/authority-api.ts';
import type { Permission } from '../operations/operation.ts';
import { parseStrictJson } from '../schema/strict-json.ts';
import { matchesPattern } from '../schema/wildcard-patterns.ts';

/** Asks the authority about one call. @throws ExchangeError: refused, or no answer */
export type DecideCall = (request: {
  readonly ticket: string;
  readonly call: GatedCall;
  /** A name of this attempt. */
  readonly attempt: string;
  readonly signal: AbortSignal;
}) => Promise<void>;

/** What the gates of a run say about a call: whether one denies it, and what the authority decides. */
export type GateMatch = { readonly denied?: Gate; readonly asked: readonly Permission[] };

/** A resource that could not be read from the request meets every gate of its action. */
const applies = ({ actions, like }: Gate, { action, resource }: Permission): boolean =>
  (actions.includes(action) || actions.includes('*')) &&
  (like === undefined ||
    resource === undefined ||
    like.some((pattern) => matchesPattern(pattern, resource)));

/** A gate of a Git repository holds for each of its refs. */
const addRepository = (permission: Permission): readonly Permission[] => {
  const { action, resource = '' } = permission;
  const mark = action.startsWith('git:') ? resource.indexOf('#') : -1;
  return mark < 0 ? [permission] : [{ action, resource: resource.slice(0, mark) }, permission];
};

/** The permissions of a call as gates see them. */
export const listGatedPermissions = (needed: readonly Permission[]): readonly Permission[] =>
  needed.flatMap(addRepository);

/** Matches the permissions of a call with the gates of its run. */
export const matchGates = (needed: readonly Permission[], gates: readonly Gate[]): GateMatch => {
  const permissions = listGatedPermissions(needed);
  const denied = gates.find(
    (gate) => gate.gate === 'deny' && permissions.some((each) => applies(gate, each)),
  );
  if (denied !== undefined) return { denied, asked: [] };
  const asking = gates.filter(({ gate }) => gate === 'ask');
  return { asked: permissions.filter((each) => asking.some((gate) => applies(gate, each))) };
};

/** What people see of content that does not fit into the request. */
const NOT_SHOWN = { name: '…', value: 'the rest of this call is too long to be shown' };

/** The permissions that the authority accepts in one request. */
const MAX_PERMISSIONS = 256;

/**
 * Builds what the authority is asked. What does not fit is left out: it counts as unknown, so that the
 * forbids that mention it hold.
 */
export const buildGatedCall = (
  asked: readonly Permission[],
  {
    operation,
    bytes,
    arguments: given,
    content,
  }: Pick<GatedCall, 'operation'> & {
    readonly [Name in 'bytes' | 'arguments' | 'content']?: GatedCall[Name] | undefined;
  },
): GatedCall => {
  const facts = { operation, ...(bytes !== undefined && { bytes }) };
  const known = content === undefined ? {} : { content };
  const hashed =
    content === undefined ? {} : { content: { sha256: content.sha256, fields: [NOT_SHOWN] } };
  const permissions = asked.map(({ action, resource }) => ({
    action,
    ...(resource !== undefined && { resource }),
  }));
  const actions = [...new Set(asked.map(({ action }) => action))].map((action) => ({ action }));
  const candidates: readonly GatedCall[] = [
    { ...facts, ...known, permissions, ...(given !== undefined && { arguments: given }) },
    { ...facts, ...hashed, permissions, ...(given !== undefined && { arguments: given }) },
    { ...facts, ...hashed, permissions },
  ];
  const fits = (call: GatedCall): boolean =>
    call.permissions.length <= MAX_PERMISSIONS &&
    JSON.stringify(call).length <= MAX_GATED_CALL_LENGTH;
  return candidates.find(fits) ?? { ...facts, ...hashed, permissions: actions };
};

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?(?:x-amz-)?json\b/i;

/** Levels of a body whose strings are read. */
const MAX_DEPTH = 64;

/**
 * Lists the strings of a JSON body by JSON pointer (RFC 6901).
 *
 * @param body absent: not read
 * @returns undefined if they are unknown: another format, more than 64 strings, one of more than 1 KiB, or a name
 *   that is repeated in any case, of which readers take different values
 */
export const listArguments = (
  contentType: string | undefined,
  body: Uint8Array | undefined,
): Readonly<Record<string, string>> | undefined => {
  if (body === undefined) return undefined;
  if (body.length === 0) return {};
  if (!JSON_TYPE.test(contentType ?? '')) return undefined;
  const parsed = parseStrictJson(body, { maxDepth: MAX_DEPTH, foldCaseDepth: MAX_DEPTH });
  if (!parsed.ok) return undefined;
  const found: [string, string][] = [];
  const walk = (value: unknown, path: string): boolean => {
    if (typeof value === 'string') {
      found.push([path, value]);
      return found.length <= MAX_CALL_ARGUMENTS && value.length <= MAX_CALL_ARGUMENT_LENGTH;
    }
    if (typeof value !== 'object' || value === null) return true;
    return Object.entries(value).every(([name, inner]) =>
      walk(inner, `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`),
    );
  };
  return walk(parsed.value, '') ? Object.fromEntries(found) : undefined;
};
