import {
  CALL_OUTCOMES,
  type CallHead,
  type CallOutcome,
  type CallRefusalSummary,
  type UsedPermission,
} from '../contract/authority-api.ts';
import { integer, list, object, refine, string, type Reader } from '../schema/reader.ts';
import { boundText } from './bounded-text.ts';

/** Refused calls and used permissions that a head lists; the rest is counted. */
export const MAX_REFUSALS = 20;
export const MAX_USED = 64;
/** Bytes of JSON of each list: a record has 16 KiB at most, the form of a report 64 KiB. */
const MAX_REFUSALS_BYTES = 5_000;
const MAX_USED_BYTES = 6_000;
const MAX_NAME_LENGTH = 160;
const MAX_RESOURCE_LENGTH = 300;

const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const name = string({ expected: 'a name', maxLength: 256 });
const resource = string({ expected: 'a resource', maxLength: 512 });

const counts = object(
  Object.fromEntries(CALL_OUTCOMES.map((outcome) => [outcome, count])) as Record<
    CallOutcome,
    Reader<number>
  >,
);

const refusal: Reader<CallRefusalSummary> = object({
  code: string({ expected: 'a refusal code', pattern: /^[A-Za-z0-9_]{1,64}$/ }),
  count: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  operation: { optional: name },
  action: { optional: name },
  resource: { optional: resource },
});

const permission: Reader<UsedPermission> = object({
  action: name,
  resource: { optional: resource },
});

/** Reads the head of a run's journal as a sidecar reports it. */
export const callHead: Reader<CallHead> = refine(
  object({
    from: count,
    to: count,
    hash: string({ expected: 'SHA-256 in hex', pattern: /^[0-9a-f]{64}$/ }),
    startedAt: count,
    endedAt: count,
    counts,
    bytesIn: count,
    bytesOut: count,
    refusals: list(refusal, { max: MAX_REFUSALS }),
    used: list(permission, { max: MAX_USED }),
    omitted: object({ refusals: count, used: count }),
  }),
  ({ from, to }) => (from <= to ? undefined : 'from not above to'),
);

/** Bounds the texts of a head, and the bytes of its lists. */
export const boundCallHead = (head: CallHead): CallHead => {
  const refusals = takeWithin(
    head.refusals.slice(0, MAX_REFUSALS).map(boundRefusal),
    MAX_REFUSALS_BYTES,
  );
  const used = takeWithin(head.used.slice(0, MAX_USED).map(boundPermission), MAX_USED_BYTES);
  return {
    ...head,
    refusals,
    used,
    omitted: {
      refusals: head.omitted.refusals + countCalls(head.refusals.slice(refusals.length)),
      used: head.omitted.used + head.used.length - used.length,
    },
  };
};

/** Number of calls that refusals count. */
export const countCalls = (refusals: readonly { readonly count: number }[]): number =>
  refusals.reduce((sum, refused) => sum + refused.count, 0);

const boundRefusal = (refused: CallRefusalSummary): CallRefusalSummary => ({
  code: boundText(refused.code, MAX_NAME_LENGTH),
  count: refused.count,
  ...(refused.operation !== undefined && {
    operation: boundText(refused.operation, MAX_NAME_LENGTH),
  }),
  ...(refused.action !== undefined && { action: boundText(refused.action, MAX_NAME_LENGTH) }),
  ...(refused.resource !== undefined && {
    resource: boundText(refused.resource, MAX_RESOURCE_LENGTH),
  }),
});

const boundPermission = (permitted: UsedPermission): UsedPermission => ({
  action: boundText(permitted.action, MAX_NAME_LENGTH),
  ...(permitted.resource !== undefined && {
    resource: boundText(permitted.resource, MAX_RESOURCE_LENGTH),
  }),
});

/** The first items whose JSON has at most `maxBytes`. */
const takeWithin = <T>(items: readonly T[], maxBytes: number): readonly T[] => {
  let bytes = 0;
  const last = items.findIndex((item) => {
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    return bytes > maxBytes;
  });
  return last === -1 ? items : items.slice(0, last);
};
