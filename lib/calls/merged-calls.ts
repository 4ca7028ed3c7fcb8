import { createHash, type Hash } from 'node:crypto';

import type { UsedPermission } from '../contract/authority-api.ts';
import { MAX_USED } from '../audit/call-head.ts';
import { toCount, type CallEntry } from '../audit/call-line.ts';

/** A call as its line states it, and as the head of its run sums it up. */
export type PreparedCall = {
  readonly entry: CallEntry;
  readonly permissions: readonly UsedPermission[];
};

/** Calls that share one line, because there are too many of them in a second. */
export type MergedCalls = {
  readonly add: (call: PreparedCall) => void;
  /** One call for each group, in the order of their first calls. */
  readonly take: () => readonly PreparedCall[];
};

/** Groups in memory; calls beyond it share a line for each run and outcome. */
const MAX_GROUPS = 256;
/** Actions of a group; equal operations rarely differ in them. */
const MAX_ACTIONS = 16;
/** Distinct permissions of a group: one more than a head lists, so that the head states that it omits some. */
const MAX_PERMISSIONS = MAX_USED + 1;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

type Group = {
  readonly first: PreparedCall;
  readonly entry: Mutable<CallEntry>;
  readonly actions: Set<string>;
  readonly resources: Hash;
  /** By action and resource; of refused calls, the refused one is the last. */
  readonly permissions: Map<string, UsedPermission>;
};

/** Merges calls of one run with equal operation, outcome and code. */
export const createMergedCalls = (): MergedCalls => {
  let groups = new Map<string, Group>();

  const startGroup = (key: string, first: PreparedCall, operation?: string): Group => {
    const group: Group = {
      first,
      entry: {
        ...first.entry,
        id: undefined,
        operation,
        resources: [],
        in: 0,
        out: 0,
        ms: 0,
        count: 0,
      },
      actions: new Set<string>(),
      resources: createHash('sha256'),
      permissions: new Map<string, UsedPermission>(),
    };
    groups.set(key, group);
    return group;
  };
  const findGroup = (call: PreparedCall): Group => {
    const { run, operation, outcome, code } = call.entry;
    const key = JSON.stringify([run, operation, outcome, code]);
    const known = groups.get(key);
    if (known !== undefined) return known;
    if (groups.size < MAX_GROUPS) return startGroup(key, call, operation);
    const rest = JSON.stringify([run, outcome]);
    return groups.get(rest) ?? startGroup(rest, call);
  };
  return {
    add: (call) => addToGroup(findGroup(call), call),
    take: () => {
      const taken = [...groups.values()];
      groups = new Map();
      return taken.map(toPreparedCall);
    },
  };
};

const addToGroup = (group: Group, { entry, permissions }: PreparedCall): void => {
  const merged = group.entry;
  merged.at = entry.at;
  merged.resolved &&= entry.resolved;
  merged.in = toCount(merged.in + entry.in);
  merged.out = toCount(merged.out + entry.out);
  merged.ms = Math.max(merged.ms, entry.ms);
  merged.count = (merged.count ?? 0) + 1;
  for (const action of entry.actions) {
    if (group.actions.size < MAX_ACTIONS) group.actions.add(action);
  }
  for (const resource of entry.resources) group.resources.update(`${resource}\n`);
  for (const permission of permissions) {
    const key = JSON.stringify([permission.action, permission.resource]);
    const isKnown = group.permissions.delete(key);
    if (isKnown || group.permissions.size < MAX_PERMISSIONS) group.permissions.set(key, permission);
  }
};

/** A call that stayed alone keeps its own line. */
const toPreparedCall = ({ first, entry, actions, resources, permissions }: Group): PreparedCall =>
  entry.count === 1
    ? first
    : {
        entry: { ...entry, actions: [...actions], resources_sha256: resources.digest('hex') },
        permissions: [...permissions.values()],
      };
