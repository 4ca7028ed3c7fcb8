import {
  CALL_OUTCOMES,
  type CallHead,
  type CallOutcome,
  type CallRefusalSummary,
  type UsedPermission,
} from '../contract/authority-api.ts';
import { boundText } from '../audit/bounded-text.ts';
import { NOTHING_BEFORE } from '../audit/chain.ts';
import { boundCallHead, countCalls, MAX_REFUSALS, MAX_USED } from '../audit/call-head.ts';

/** Characters of a text in a head; journal lines have more. */
const MAX_NAME_LENGTH = 64;
const MAX_RESOURCE_LENGTH = 160;

/** One line of a journal, as its head counts it. */
export type SummarizedLine = {
  readonly seq: number;
  readonly hash: string;
  readonly at: number;
  readonly outcome: CallOutcome;
  readonly code?: string | undefined;
  readonly operation?: string | undefined;
  /** Number of calls. */
  readonly count: number;
  readonly in: number;
  readonly out: number;
  /** Resources as a head may show them. */
  readonly permissions: readonly UsedPermission[];
};

/** Sums up the lines of one run until its head is taken. Its memory does not depend on their number. */
export type CallSummary = {
  readonly add: (line: SummarizedLine) => void;
  /** The head of the lines since the last one; undefined: there were none. */
  readonly take: () => CallHead | undefined;
  /** Whether there were no lines since the last head. */
  readonly isEmpty: () => boolean;
};

export const createCallSummary = (): CallSummary => {
  let head: CallHead | undefined;
  return {
    add: (line) => {
      const next = toHead(line);
      head = head === undefined ? next : mergeCallHeads(head, next);
    },
    take: () => {
      const taken = head;
      head = undefined;
      return taken && boundCallHead(taken);
    },
    isEmpty: () => head === undefined,
  };
};

/**
 * The head of a run that made no call since its last head. It names the last line again; without any line it has
 * {@link NOTHING_BEFORE} as hash.
 *
 * @param at wall-clock milliseconds
 * @param chain the number of the next line, and the hash of the last one
 */
export const buildIdleHead = (
  at: number,
  { seq, previous }: { readonly seq: number; readonly previous: string } = {
    seq: 0,
    previous: NOTHING_BEFORE,
  },
): CallHead => {
  const last = Math.max(0, seq - 1);
  return {
    from: last,
    to: last,
    hash: previous,
    startedAt: at,
    endedAt: at,
    counts: buildCounts(() => 0),
    bytesIn: 0,
    bytesOut: 0,
    refusals: [],
    used: [],
    omitted: { refusals: 0, used: 0 },
  };
};

const isIdle = ({ counts }: CallHead): boolean =>
  CALL_OUTCOMES.every((outcome) => counts[outcome] === 0);

/** Merges a head with the next one of the same run, so that one report states both. */
export const mergeCallHeads = (head: CallHead, next: CallHead): CallHead => {
  if (isIdle(next)) return { ...head, endedAt: next.endedAt };
  if (isIdle(head)) return next;
  const refusals = mergeRefusals(head.refusals, next.refusals);
  const used = mergeUsed(head.used, next.used);
  const { counts } = head;
  return {
    from: head.from,
    to: next.to,
    hash: next.hash,
    startedAt: head.startedAt,
    endedAt: next.endedAt,
    counts: buildCounts((outcome) => counts[outcome] + next.counts[outcome]),
    bytesIn: addBounded(head.bytesIn, next.bytesIn),
    bytesOut: addBounded(head.bytesOut, next.bytesOut),
    refusals: refusals.kept,
    used: used.kept,
    omitted: {
      refusals: head.omitted.refusals + next.omitted.refusals + refusals.omitted,
      used: head.omitted.used + next.omitted.used + used.omitted,
    },
  };
};

const toHead = (line: SummarizedLine): CallHead => {
  const { seq, hash, at, outcome, count } = line;
  const isRefused = outcome === 'refused';
  return {
    from: seq,
    to: seq,
    hash,
    startedAt: at,
    endedAt: at,
    counts: buildCounts((each) => (each === outcome ? count : 0)),
    bytesIn: line.in,
    bytesOut: line.out,
    refusals: isRefused ? [toRefusal(line)] : [],
    used: isRefused ? [] : line.permissions.map(toUsed).slice(0, MAX_USED),
    omitted: { refusals: 0, used: isRefused ? 0 : Math.max(0, line.permissions.length - MAX_USED) },
  };
};

const buildCounts = (count: (outcome: CallOutcome) => number): CallHead['counts'] =>
  Object.fromEntries(CALL_OUTCOMES.map((outcome) => [outcome, count(outcome)])) as Record<
    CallOutcome,
    number
  >;

/** The last permission is the refused one, see `JournaledCall`. */
const toRefusal = ({ code, count, operation, permissions }: SummarizedLine): CallRefusalSummary => {
  const { action, resource } = permissions.at(-1) ?? {};
  return {
    code: boundText(code ?? 'unknown', MAX_NAME_LENGTH),
    count,
    ...(operation !== undefined && { operation: boundText(operation, MAX_NAME_LENGTH) }),
    ...(action !== undefined && { action: boundText(action, MAX_NAME_LENGTH) }),
    ...(resource !== undefined && { resource: boundText(resource, MAX_RESOURCE_LENGTH) }),
  };
};

const toUsed = ({ action, resource }: UsedPermission): UsedPermission => ({
  action: boundText(action, MAX_NAME_LENGTH),
  ...(resource !== undefined && { resource: boundText(resource, MAX_RESOURCE_LENGTH) }),
});

const S3_ARN = /^arn:[^:]*:s3:/;

/** The origin and the first segment of a URL that goes on after it. */
const URL_BEGINNING = /^https?:\/\/[^/]*\/[^/]*\/(?=.)/;

/** Of an MCP resource, whose URI may be one of many; tools and prompts are few. */
const MCP_URI_BEGINNING = /^mcp:\/\/[^/]*\/resources\/[^/]*(?:\/\/)?[^/]*\/[^/]*\/(?=.)/;

/**
 * The beginning of an ARN: the bucket and the first folder of an S3 object, the type and the name's first
 * segment of other resources. Of a URL its origin and first folder, also of one that an MCP server
 * offers. A record lists what a run used, not each object.
 */
export const cutResource = (resource: string): string => {
  // The repository, without the ref of a push.
  if (resource.startsWith('git:')) return resource.split('#', 1)[0] ?? resource;
  if (/^https?:/.test(resource)) return URL_BEGINNING.exec(resource)?.[0] ?? resource;
  if (resource.startsWith('mcp:')) return MCP_URI_BEGINNING.exec(resource)?.[0] ?? resource;
  const [first = '', second, ...others] = resource.split('/', 4);
  if (second === undefined) return resource;
  if (others.length > 0) return `${first}/${second}/`;
  return S3_ARN.test(resource) ? `${first}/` : resource;
};

const mergeRefusals = (
  known: readonly CallRefusalSummary[],
  added: readonly CallRefusalSummary[],
): { kept: readonly CallRefusalSummary[]; omitted: number } => {
  const kept = [...known];
  const rest: CallRefusalSummary[] = [];
  for (const refusal of added) {
    const at = kept.findIndex((each) => isSameRefusal(each, refusal));
    const same = kept[at];
    if (same !== undefined) kept[at] = { ...same, count: same.count + refusal.count };
    else if (kept.length < MAX_REFUSALS) kept.push(refusal);
    else rest.push(refusal);
  }
  return { kept, omitted: countCalls(rest) };
};

const isSameRefusal = (one: CallRefusalSummary, other: CallRefusalSummary): boolean =>
  one.code === other.code &&
  one.operation === other.operation &&
  one.action === other.action &&
  one.resource === other.resource;

/** An omitted permission is counted at each call that used it. */
const mergeUsed = (
  known: readonly UsedPermission[],
  added: readonly UsedPermission[],
): { kept: readonly UsedPermission[]; omitted: number } => {
  const fresh = added.filter(
    ({ action, resource }) =>
      !known.some((each) => each.action === action && each.resource === resource),
  );
  const kept = [...known, ...fresh].slice(0, MAX_USED);
  return { kept, omitted: known.length + fresh.length - kept.length };
};

const addBounded = (one: number, other: number): number =>
  Math.min(one + other, Number.MAX_SAFE_INTEGER);
