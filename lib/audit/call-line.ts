import { CALL_OUTCOMES, type CallOutcome } from '../contract/authority-api.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';
import { parseJson } from '../schema/json.ts';
import { isMapping } from '../schema/mapping.ts';
import { boundList, boundText } from './bounded-text.ts';
import { computeSha256 } from './chain.ts';

/** Bytes of a line with its line break: a pipe takes so many at once, so that no other line splits it. */
export const MAX_CALL_LINE_BYTES = 4096;
const MAX_ACTIONS_BYTES = 400;
/** An S3 key has 1,024 bytes at most, an ARN before it a few dozen. */
const MAX_RESOURCE_LENGTH = 1_200;
/** Of the entry that states what a list omits. */
const OMISSION_BYTES = 128;

/** What a journal line states about a call, or about equal calls of one second. */
export type CallEntry = {
  /** Wall-clock milliseconds at the end of the call. */
  readonly at: number;
  /** Absent if the call was refused before its run was known. */
  readonly run?: string | undefined;
  readonly task?: string | undefined;
  readonly consumer?: string | undefined;
  /** Of the request, as the client received it; absent in a line of several calls. */
  readonly id?: string | undefined;
  /** `s3.GetObject`; absent if the request was not recognized. */
  readonly operation?: string | undefined;
  readonly actions: readonly string[];
  /** ARNs or their SHA-256; none in a line of several calls. */
  readonly resources: readonly string[];
  /** Whether every resource could be read from the request. */
  readonly resolved: boolean;
  readonly outcome: CallOutcome;
  readonly code?: string | undefined;
  /** HTTP status that the client received. */
  readonly status?: number | undefined;
  /** Bytes with heads, and milliseconds: of several calls their sums, and the longest. */
  readonly in: number;
  readonly out: number;
  readonly ms: number;
  /** Number of calls; absent: one. */
  readonly count?: number | undefined;
  /** Of a line of several calls: SHA-256, hex, of their resources, each with a line break after it. */
  readonly resources_sha256?: string | undefined;
};

/** Place of a line in the chain of its run. */
export type CallPlace = {
  /** 0 is the first line. */
  readonly seq: number;
  /** Hash of the line before; `NOTHING_BEFORE` in the first. */
  readonly previous: string;
};

export type CallLine = CallEntry &
  CallPlace & {
    readonly kind: 'call';
    /** SHA-256, hex, of the canonical JSON of the line without this member. */
    readonly hash: string;
  };

/**
 * Renders a call at its place as canonical JSON (RFC 8785) of at most {@link MAX_CALL_LINE_BYTES} with
 * the line break that the caller adds. Texts are bounded: the resources get the bytes that the rest leaves.
 */
export const renderCallLine = (
  entry: CallEntry,
  { seq, previous }: CallPlace,
): { readonly text: string; readonly hash: string } => {
  const members = omitUndefined({
    kind: 'call',
    at: toCount(entry.at),
    run: boundName(entry.run),
    seq,
    task: boundName(entry.task),
    consumer: boundName(entry.consumer),
    id: boundName(entry.id),
    operation: boundName(entry.operation),
    actions: boundList(entry.actions, MAX_ACTIONS_BYTES),
    resources: [],
    resolved: entry.resolved,
    outcome: entry.outcome,
    code: boundName(entry.code),
    status: entry.status === undefined ? undefined : toCount(entry.status),
    in: toCount(entry.in),
    out: toCount(entry.out),
    ms: toCount(entry.ms),
    count: entry.count,
    resources_sha256: entry.resources_sha256,
    previous,
  });
  const empty = canonicalizeJson({ ...members, hash: previous });
  const left = MAX_CALL_LINE_BYTES - 1 - Buffer.byteLength(empty) - OMISSION_BYTES;
  const resources = boundList(entry.resources, left, MAX_RESOURCE_LENGTH);
  const bare = { ...members, resources };
  const hash = computeSha256(canonicalizeJson(bare));
  return { text: canonicalizeJson({ ...bare, hash }), hash };
};

/** Why a line is not a call line; `claims` is what it states about itself, if readable. */
export type InvalidCallLine = {
  readonly code: 'call_invalid' | 'call_modified';
  readonly expected: string;
  readonly got: string;
  readonly claims?: CallLine;
};

export type CallLineResult =
  | { readonly kind: 'call'; readonly line: CallLine }
  | { readonly kind: 'invalid'; readonly reason: InvalidCallLine }
  /** Another line of a log. */
  | { readonly kind: 'foreign' };

/** One changed byte leaves one of the two. */
const MARKERS = ['{"actions":[', '"kind":"call"'];

/**
 * Reads a line of a log. What a log puts before the line (a time, the name of a pod) is ignored.
 *
 * @param text without its line break
 */
export const readCallLine = (text: string): CallLineResult => {
  if (!MARKERS.some((marker) => text.includes(marker))) return { kind: 'foreign' };
  const json = text.slice(Math.max(0, text.indexOf('{')));
  const body = parseJson(json);
  if (!isCallLine(body)) return buildInvalid('call_invalid', 'a call', 'something else');
  const { hash, ...bare } = body;
  const actual = computeSha256(canonicalizeJson(bare));
  if (canonicalizeJson(body) !== json) {
    const expected = 'canonical JSON (RFC 8785)';
    return buildInvalid('call_invalid', expected, 'another form of the same JSON', body);
  }
  return actual === hash
    ? { kind: 'call', line: body }
    : buildInvalid('call_modified', hash, actual, body);
};

const buildInvalid = (
  code: InvalidCallLine['code'],
  expected: string,
  got: string,
  claims?: CallLine,
): CallLineResult => ({
  kind: 'invalid',
  reason: { code, expected, got, ...(claims !== undefined && { claims }) },
});

const HASH = /^[0-9a-f]{64}$/;

const isCallLine = (body: unknown): body is CallLine =>
  isMapping(body) &&
  body['kind'] === 'call' &&
  ['seq', 'at', 'in', 'out', 'ms'].every((name) => isCount(body[name])) &&
  ['previous', 'hash'].every((name) => isText(body[name]) && HASH.test(body[name])) &&
  ['run', 'task', 'consumer', 'id', 'operation', 'code', 'resources_sha256'].every(
    (name) => body[name] === undefined || isText(body[name]),
  ) &&
  ['status', 'count'].every((name) => body[name] === undefined || isCount(body[name])) &&
  ['actions', 'resources'].every((name) => isTextList(body[name])) &&
  typeof body['resolved'] === 'boolean' &&
  CALL_OUTCOMES.some((outcome) => outcome === body['outcome']);

const isText = (value: unknown): value is string => typeof value === 'string';

const isTextList = (value: unknown): boolean => Array.isArray(value) && value.every(isText);

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

/** Names are short; one that is not was chosen to fill lines. */
const boundName = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : boundText(text, 64);

/** A whole number that JSON can hold. */
export const toCount = (value: number): number =>
  Number.isNaN(value) ? 0 : Math.round(Math.min(Math.max(value, 0), Number.MAX_SAFE_INTEGER));

const omitUndefined = <T extends object>(members: T): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
