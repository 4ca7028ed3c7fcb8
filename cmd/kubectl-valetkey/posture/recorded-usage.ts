import { NOTHING_BEFORE } from '../../../lib/audit/chain.ts';
import type { ReadRecord } from '../../../lib/audit/record-reader.ts';
import { CALL_OUTCOMES, type UsedPermission } from '../../../lib/contract/authority-api.ts';
import { toMapping } from '../../../lib/schema/mapping.ts';
import { toShownRecord } from '../records/shown-records.ts';

/** What identifies a task across pods: records name its workload, not its declaration. */
export type TaskKey = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly task: string;
};

/** A run that the authority issued. Times are milliseconds since the epoch. */
type IssuedRun = TaskKey & {
  readonly run: string;
  readonly role: string;
  readonly issuedAt: number;
  readonly deadline: number;
};

/** A record of calls, with the rights that a run used. */
type CallsRecord = {
  readonly at: number;
  /** Numbers of the first and the last line of the journal; `to` is -1 if the run has no lines. */
  readonly from: number;
  readonly to: number;
  /** Whether it states lines that no earlier record stated. */
  readonly hasCalls: boolean;
  readonly used: readonly UsedPermission[];
  /** Whether `used` has everything that these lines used. */
  readonly isListedWhole: boolean;
};

/** What the records of a window say. */
export type RecordedUsage = {
  readonly issued: readonly IssuedRun[];
  readonly calls: ReadonlyMap<string, readonly CallsRecord[]>;
  /** When a run ended before its deadline. */
  readonly ends: ReadonlyMap<string, number>;
  /** IDs of the policies that determined a decision. */
  readonly policies: ReadonlySet<string>;
  /** Whether each decision names all its policies. */
  readonly hasAllPolicies: boolean;
};

/** `run.redecided` is recorded only for denials, which end the run. */
const ENDS: ReadonlySet<string> = new Set(['run.ended', 'run.redecided']);
/** As records truncate a list: `12 more […400 characters, sha256 …]`. */
const OMISSION = /^\d+ more \[…/;

/**
 * Collects from records, in any order and also if some come twice, what shows which rights were used.
 *
 * @param since milliseconds since the epoch; earlier records are ignored
 */
export const createUsageCollector = (since: number) => {
  const issued = new Map<string, IssuedRun>();
  const calls = new Map<string, CallsRecord[]>();
  const ends = new Map<string, number>();
  const policies = new Set<string>();
  let hasAllPolicies = true;
  const add = ({ kind, body }: Pick<ReadRecord, 'kind' | 'body'>): void => {
    const shown = toShownRecord(body);
    const { run, at } = shown;
    if (at < since) return;
    for (const policy of shown.policies) {
      policies.add(policy);
      if (OMISSION.test(policy)) hasAllPolicies = false;
    }
    if (kind === 'run.issued') {
      const { namespace, serviceAccount, task, deadline = at } = shown;
      const { role } = toMapping(body['unmapped']);
      issued.set(run, {
        run,
        namespace,
        serviceAccount,
        task,
        issuedAt: at,
        deadline,
        role: typeof role === 'string' ? role : '',
      });
    }
    if (ENDS.has(kind)) ends.set(run, Math.min(at, ends.get(run) ?? Infinity));
    if (kind === 'run.calls') {
      calls.set(run, [...(calls.get(run) ?? []), readCalls(at, body['unmapped'])]);
    }
  };
  const result = (): RecordedUsage => ({
    issued: [...issued.values()],
    calls,
    ends,
    policies,
    hasAllPolicies,
  });
  return { add, result };
};

const readCalls = (at: number, unmapped: unknown): CallsRecord => {
  const { from, to, hash, counts, used, omitted } = toMapping(toMapping(unmapped)['calls']);
  const known = toMapping(counts);
  const listed = Array.isArray(used) ? used.map(toMapping) : [];
  return {
    at,
    from: typeof from === 'number' ? from : NaN,
    to: hash === NOTHING_BEFORE ? -1 : typeof to === 'number' ? to : NaN,
    hasCalls: CALL_OUTCOMES.some((outcome) => known[outcome] !== 0),
    used: listed.flatMap(({ action, resource }) =>
      typeof action === 'string'
        ? [{ action, ...(typeof resource === 'string' && { resource }) }]
        : [],
    ),
    isListedWhole: toMapping(omitted)['used'] === 0,
  };
};

/** A period of records, in milliseconds since the epoch. */
export type Window = { readonly since: number; readonly until: number };

/** The runs of a task that were issued in a window. */
export type TaskUsage = {
  /** Runs that have ended, with those that `unrecorded` and `unlisted` count. */
  readonly runs: number;
  /** Runs that go on, or ended so late that their last report may not be in the records. */
  readonly live: number;
  /** Runs of which a record of calls is missing, or may be. */
  readonly unrecorded: number;
  /** Other runs that used more than their records list. */
  readonly unlisted: number;
  readonly lastIssuedAt: number;
  /** What all these runs used, as far as the records list it; each once. */
  readonly used: readonly UsedPermission[];
};

export const formatKey = ({ namespace, serviceAccount, task }: TaskKey): string =>
  `${namespace}/${serviceAccount} ${task}`;

/** Sums up the runs of each task. @returns by {@link formatKey} */
export const sumUpTasks = (
  usage: RecordedUsage,
  window: Window,
): ReadonlyMap<string, TaskKey & TaskUsage> => {
  const tasks = new Map<string, TaskKey & TaskUsage>();
  for (const run of usage.issued.filter(({ issuedAt }) => issuedAt < window.until)) {
    const { namespace, serviceAccount, task } = run;
    const key = { namespace, serviceAccount, task };
    const known = tasks.get(formatKey(key)) ?? { ...key, ...NO_RUNS };
    tasks.set(formatKey(key), addRun(known, run, { usage, window }));
  }
  return tasks;
};

export const NO_RUNS: TaskUsage = {
  runs: 0,
  live: 0,
  unrecorded: 0,
  unlisted: 0,
  lastIssuedAt: 0,
  used: [],
};

const addRun = (
  known: TaskKey & TaskUsage,
  run: IssuedRun,
  { usage, window }: { readonly usage: RecordedUsage; readonly window: Window },
): TaskKey & TaskUsage => {
  const records = usage.calls.get(run.run) ?? [];
  const end = findEnd(run, usage.ends.get(run.run));
  const isLive = end.at > window.until - REPORT_MS;
  const isRecorded = isLive || areComplete(records, end.at - end.toleranceMs);
  const isListed = records.every(({ isListedWhole }) => isListedWhole);
  return {
    ...known,
    runs: known.runs + (isLive ? 0 : 1),
    live: known.live + (isLive ? 1 : 0),
    unrecorded: known.unrecorded + (isRecorded ? 0 : 1),
    unlisted: known.unlisted + (isRecorded && !isListed ? 1 : 0),
    lastIssuedAt: Math.max(known.lastIssuedAt, run.issuedAt),
    used: mergeUsed(known.used, records),
  };
};

/** A sidecar reports within seconds after the end of a run; during an outage of the authority, later. */
const REPORT_MS = 120_000;
/** Two reports of one sidecar may be recorded in the other order. */
const ORDER_MS = 2_000;
/** A sidecar ends a run so long before its deadline, at most a tenth of the lifetime. */
const MAX_MARGIN_MS = 10_000;

/** When the run ended, and how much earlier its last report may be. */
const findEnd = (
  { issuedAt, deadline }: IssuedRun,
  endedAt: number | undefined,
): { readonly at: number; readonly toleranceMs: number } => {
  if (endedAt !== undefined && endedAt < deadline) return { at: endedAt, toleranceMs: ORDER_MS };
  const margin = Math.min(MAX_MARGIN_MS, (deadline - issuedAt) / 10);
  return { at: deadline, toleranceMs: margin + ORDER_MS };
};

/** Whether the records state every line of a run, and one of them comes after its end. */
const areComplete = (records: readonly CallsRecord[], endAt: number): boolean => {
  let next = 0;
  for (const { from, to, hasCalls } of records.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    // Written so that a number that is not readable counts as missing.
    const follows = hasCalls ? from <= next : to < next;
    if (!follows) return false;
    if (hasCalls) next = Math.max(next, to + 1);
  }
  return records.some(({ at }) => at >= endAt);
};

const mergeUsed = (
  known: readonly UsedPermission[],
  records: readonly CallsRecord[],
): readonly UsedPermission[] => {
  const fresh = records
    .flatMap(({ used }) => used)
    .filter((each) => !known.some((one) => isSame(one, each)));
  return fresh.length === 0 ? known : mergeInto(known, fresh);
};

const mergeInto = (
  known: readonly UsedPermission[],
  fresh: readonly UsedPermission[],
): readonly UsedPermission[] => {
  const merged = [...known];
  for (const each of fresh) if (!merged.some((one) => isSame(one, each))) merged.push(each);
  return merged;
};

const isSame = (one: UsedPermission, other: UsedPermission): boolean =>
  one.action === other.action && one.resource === other.resource;
