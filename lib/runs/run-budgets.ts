import { BUDGET_KINDS, type Budget, type BudgetKind, type Task } from '../contract/task.ts';
import type { Clock } from '../contract/clock.ts';
import type { ActiveRun, EndReason } from './active-runs.ts';
import { buildBudgetExceededRefusal, type RunRefusal } from './run-refusal.ts';

export type BudgetCounts = Readonly<Record<BudgetKind, number>>;

/** What is kept of one run, or of runs of a task before a restart. */
export type StoredBudget = {
  readonly task: string;
  /** Until when it counts: the deadline of its run, milliseconds since the epoch. */
  readonly until: number;
  /** Reserved: the run has used no more. */
  readonly counts: BudgetCounts;
  /** The kind that was exceeded: the task stays closed. */
  readonly exceeded?: BudgetKind;
};

/** Keeps the budgets of one consumer over a restart of the sidecar. */
export type BudgetStore = {
  /** @throws if the stored budgets cannot be read */
  readonly read: (consumer: string) => readonly StoredBudget[];
  /** @throws if they cannot be stored */
  readonly write: (consumer: string, budgets: readonly StoredBudget[]) => void;
};

/** The budget of one run. A refusal means that the run must end now. */
export type RunBudget = {
  /** Takes one call. */
  readonly beginCall: () => RunRefusal | undefined;
  /** Takes what a call uses; of tokens afterwards, because answers report them. */
  readonly take: (kind: BudgetKind, amount: number) => RunRefusal | undefined;
  /** Whether this kind is limited. */
  readonly has: (kind: BudgetKind) => boolean;
};

/** Used share of a task's budget, from 0 to 1. */
export type BudgetShare = {
  readonly task: string;
  readonly kind: BudgetKind;
  readonly ratio: number;
};

export type RunBudgets = {
  /** @returns undefined for a task without a budget, and for one whose keys leave the sidecar */
  readonly open: (run: ActiveRun) => RunBudget | undefined;
  /** Why no run of the task may start now. */
  readonly findRefusal: (task: string) => RunRefusal | undefined;
  /** Call when a run has ended. */
  readonly close: (run: ActiveRun, reason: EndReason) => void;
  /** Of each task the run that has used most. */
  readonly listShares: () => readonly BudgetShare[];
};

/** Reserved at once: a restart loses at most so much of a budget, and no call waits for more than one write. */
const BLOCKS: BudgetCounts = { calls: 16, bytesOut: 1024 * 1024, denials: 0, tokens: 1_000 };

const mapCounts = (count: (kind: BudgetKind) => number): BudgetCounts =>
  Object.fromEntries(BUDGET_KINDS.map((kind) => [kind, count(kind)])) as Record<BudgetKind, number>;

/** Small budgets are reserved in smaller blocks. */
const getBlock = (kind: BudgetKind, limit: number): number =>
  Math.min(BLOCKS[kind], Math.floor(limit / 16));

/** The next run is another one. After other ends it continues the same work, until the deadline. */
const isEndOfConsumer = (reason: EndReason): boolean =>
  reason === 'completed' || reason === 'superseded';

type OpenBudget = {
  readonly run: ActiveRun;
  used: Record<BudgetKind, number>;
  reserved: Record<BudgetKind, number>;
  exceeded?: BudgetKind;
};

const getBudget = ({ budget, delivery }: Task): Budget | undefined =>
  delivery === 'sign' ? budget : undefined;

type BudgetDeps = {
  readonly consumers: readonly string[];
  readonly store: BudgetStore;
  readonly clock: Pick<Clock, 'now'>;
};

const toStored = ({ run, reserved, exceeded }: OpenBudget): StoredBudget => ({
  task: run.task.name,
  until: run.expiresAt,
  counts: { ...reserved },
  ...(exceeded !== undefined && { exceeded }),
});

/** Budgets of active runs, and what the runs of a task inherit of those before them. */
type BudgetTable = ReturnType<typeof createBudgetTable>;

/** @throws what the store throws */
const createBudgetTable = ({ consumers, store, clock: { now } }: BudgetDeps) => {
  const inherited = new Map(consumers.map((name) => [name, store.read(name)]));
  const open = new Map<string, OpenBudget>();

  const listInherited = (consumer: string): readonly StoredBudget[] =>
    (inherited.get(consumer) ?? []).filter(({ until }) => until > now());

  /** @throws what the store throws */
  const save = (consumer: string): void => {
    const own = [...open.values()].filter(({ run }) => run.consumer === consumer);
    store.write(consumer, [...listInherited(consumer), ...own.map(toStored)]);
  };

  return {
    save,
    listOpen: (): readonly OpenBudget[] => [...open.values()],
    getOpen: (run: ActiveRun): OpenBudget => {
      const existing = open.get(run.run);
      if (existing !== undefined) return existing;
      const before = listInherited(run.consumer).filter(({ task }) => task === run.task.name);
      const counts = mapCounts((kind) => Math.max(0, ...before.map((each) => each.counts[kind])));
      const created = { run, used: { ...counts }, reserved: { ...counts } };
      open.set(run.run, created);
      return created;
    },
    /** The stored budget of a task that is closed until its end. */
    findClosed: (task: string): StoredBudget | undefined => {
      const stored = [...consumers.flatMap(listInherited), ...[...open.values()].map(toStored)];
      return stored.find(
        (each) => each.task === task && each.exceeded !== undefined && each.until > now(),
      );
    },
    close: (run: ActiveRun, reason: EndReason): void => {
      const budget = open.get(run.run);
      if (budget === undefined) return;
      open.delete(run.run);
      const { consumer } = run;
      if (!isEndOfConsumer(reason)) {
        inherited.set(consumer, [...listInherited(consumer), toStored(budget)]);
      }
      try {
        save(consumer);
      } catch {
        // What stays stored is too much, never too little.
      }
    },
  };
};

/**
 * Creates the budgets of all runs. Nothing is used that was not reserved in the store before, so that the
 * runs after a restart inherit what the runs before it may have used, and together exceed no budget.
 *
 * @throws what the store throws
 */
export const createRunBudgets = (deps: BudgetDeps): RunBudgets => {
  const { now } = deps.clock;
  const table = createBudgetTable(deps);

  /** @returns false if it could not be stored, so that it must not be used */
  const reserve = (budget: OpenBudget, kind: BudgetKind, limit: number): boolean => {
    if (budget.used[kind] <= budget.reserved[kind]) return true;
    budget.reserved[kind] = Math.min(limit, budget.used[kind] + getBlock(kind, limit));
    try {
      table.save(budget.run.consumer);
      return true;
    } catch {
      return false;
    }
  };

  const buildRefusal = (task: string, kind: BudgetKind, until: number): RunRefusal =>
    buildBudgetExceededRefusal({ task, kind, until }, until - now());

  const exceed = (budget: OpenBudget, kind: BudgetKind): RunRefusal => {
    budget.exceeded = kind;
    try {
      table.save(budget.run.consumer);
    } catch {
      // The task is closed in this process in any case.
    }
    return buildRefusal(budget.run.task.name, kind, budget.run.expiresAt);
  };

  const take = (run: ActiveRun, kind: BudgetKind, amount: number): RunRefusal | undefined => {
    const limit = getBudget(run.task)?.[kind];
    if (limit === undefined) return undefined;
    const budget = table.getOpen(run);
    if (budget.used[kind] + amount > limit) return exceed(budget, kind);
    budget.used[kind] += amount;
    return reserve(budget, kind, limit) ? undefined : exceed(budget, kind);
  };

  /** The number of tokens is known after the answer, so that one answer may exceed it. */
  const checkTokens = (run: ActiveRun): RunRefusal | undefined => {
    const limit = getBudget(run.task)?.tokens;
    const budget = table.getOpen(run);
    return limit !== undefined && budget.used.tokens >= limit
      ? exceed(budget, 'tokens')
      : undefined;
  };

  return {
    open: (run) => {
      const budget = getBudget(run.task);
      if (budget === undefined) return undefined;
      return {
        beginCall: () => checkTokens(run) ?? take(run, 'calls', 1),
        take: (kind, amount) => take(run, kind, amount),
        has: (kind) => budget[kind] !== undefined,
      };
    },
    findRefusal: (task) => {
      const closed = table.findClosed(task);
      return closed?.exceeded && buildRefusal(task, closed.exceeded, closed.until);
    },
    close: table.close,
    listShares: () => listLargestShares(table),
  };
};

const listLargestShares = (table: BudgetTable): readonly BudgetShare[] => {
  const shares = new Map<string, BudgetShare>();
  for (const { run, used } of table.listOpen()) {
    for (const kind of BUDGET_KINDS) {
      const limit = getBudget(run.task)?.[kind];
      if (limit === undefined) continue;
      const { name: task } = run.task;
      const ratio = limit === 0 ? Math.min(1, used[kind]) : Math.min(1, used[kind] / limit);
      const known = shares.get(`${task} ${kind}`);
      if (known === undefined || known.ratio < ratio) {
        shares.set(`${task} ${kind}`, { task, kind, ratio });
      }
    }
  }
  return [...shares.values()];
};
