import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import type { Budget } from '../contract/task.ts';
import type { ActiveRun } from './active-runs.ts';
import { buildTask } from './fixtures/fake-exchange.ts';
import { createFakeTime } from './fixtures/fake-time.ts';
import {
  createRunBudgets,
  type BudgetStore,
  type RunBudget,
  type StoredBudget,
} from './run-budgets.ts';

const MINUTE = 60_000;

/** The sidecar of one pod, which can be restarted. */
const createPod = (budget: Budget, delivery: 'sign' | 'vend' = 'sign') => {
  const time = createFakeTime();
  const files = new Map<string, readonly StoredBudget[]>();
  let isFull = false;
  let writes = 0;
  const store: BudgetStore = {
    read: (consumer) => files.get(consumer) ?? [],
    write: (consumer, budgets) => {
      if (isFull) throw new Error('no space');
      writes += 1;
      files.set(consumer, budgets);
    },
  };
  const start = () =>
    createRunBudgets({ consumers: ['agent', 'helper'], store, clock: time.clock });
  let budgets = start();
  let runs = 0;
  const startRun = (consumer = 'agent'): { run: ActiveRun; budget: RunBudget } => {
    runs += 1;
    const run = {
      run: `run-${runs}`,
      consumer,
      task: buildTask({ delivery, budget }),
      expiresAt: time.clock.now() + 10 * MINUTE,
    } as ActiveRun;
    const opened = budgets.open(run);
    if (opened === undefined) throw new Error('expected a budget');
    return { run, budget: opened };
  };
  /** How many calls a run gets. */
  const countCalls = (opened: RunBudget, tries = 1_000): number => {
    let calls = 0;
    while (calls < tries && opened.beginCall() === undefined) calls += 1;
    return calls;
  };
  return {
    ...{ time, files, startRun, countCalls },
    budgets: () => budgets,
    restart: () => (budgets = start()),
    fillVolume: () => (isFull = true),
    countWrites: () => writes,
  };
};

describe('createRunBudgets', () => {
  it('gives a run exactly its budget of calls, and closes the task until its deadline', async () => {
    const pod = createPod({ calls: 100 });
    const { run, budget } = pod.startRun();
    expect(pod.countCalls(budget)).toBe(100);
    pod.budgets().close(run, 'budget_exceeded');
    expect(pod.budgets().findRefusal('summarize')).toMatchObject({
      code: 'budget_exceeded',
      nature: 'refused',
      message:
        'A run of task summarize used up its budget of calls. The task is closed in this pod until 2026-01-01T00:10:00.000Z, the deadline of that run.',
    });
    expect(pod.budgets().findRefusal('other')).toBeUndefined();
    await pod.time.advance(10 * MINUTE);
    expect(pod.budgets().findRefusal('summarize')).toBeUndefined();
    expect(pod.countCalls(pod.startRun().budget)).toBe(100);
  });

  it('takes bytes and denials up to the limit, and nothing of what exceeds it', () => {
    const { budget } = createPod({ bytesOut: 1000, denials: 2 }).startRun();
    expect(budget.take('bytesOut', 1000)).toBeUndefined();
    expect(budget.take('denials', 1)).toBeUndefined();
    expect(budget.take('denials', 1)).toBeUndefined();
    expect(budget.take('denials', 1)).toMatchObject({ code: 'budget_exceeded' });
    expect(budget.take('bytesOut', 1)).toMatchObject({ code: 'budget_exceeded' });
    expect(budget.take('tokens', 1e9)).toBeUndefined();
  });

  it('lets no call begin once all tokens are used', () => {
    const { budget } = createPod({ tokens: 100 }).startRun();
    expect(budget.take('tokens', 100)).toBeUndefined();
    expect(budget.beginCall()).toMatchObject({ code: 'budget_exceeded' });
  });

  it('gives the first denial no chance with a budget of none', () => {
    expect(createPod({ denials: 0 }).startRun().budget.take('denials', 1)).toBeDefined();
  });

  it('counts each run of a task by itself', () => {
    const pod = createPod({ calls: 10 });
    const [first, second] = [pod.startRun(), pod.startRun()];
    expect(pod.countCalls(first.budget, 9)).toBe(9);
    expect(pod.countCalls(second.budget, 9)).toBe(9);
    pod.budgets().close(first.run, 'completed');
    expect(pod.countCalls(pod.startRun().budget, 10)).toBe(10);
  });

  it('never gives more than the budget over any restarts', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.nat(80), { maxLength: 12 }),
        (calls, pieces) => {
          const pod = createPod({ calls });
          let used = 0;
          for (const piece of pieces) {
            used += pod.countCalls(pod.startRun().budget, piece);
            pod.restart();
          }
          used += pod.countCalls(pod.startRun().budget);
          expect(used).toBeLessThanOrEqual(calls);
          // A restart loses at most a block.
          expect(used).toBeGreaterThanOrEqual(calls - 16 * pieces.length);
        },
      ),
    );
  });

  it('keeps a closed task closed over a restart', () => {
    const pod = createPod({ calls: 1 });
    const { run, budget } = pod.startRun();
    pod.countCalls(budget);
    pod.budgets().close(run, 'budget_exceeded');
    pod.restart();
    expect(pod.budgets().findRefusal('summarize')).toMatchObject({ code: 'budget_exceeded' });
  });

  it.each(['expired', 'terminated'] as const)(
    'hands on what a run has used that the sidecar itself ended early (%s)',
    (reason) => {
      const pod = createPod({ calls: 100 });
      const { run, budget } = pod.startRun();
      pod.countCalls(budget, 90);
      pod.budgets().close(run, reason);
      if (reason === 'terminated') pod.restart();
      expect(pod.countCalls(pod.startRun().budget)).toBeLessThanOrEqual(10);
      expect(pod.countCalls(pod.startRun('helper').budget)).toBe(100);
    },
  );

  it('writes a block before it is used, not at each call', () => {
    const pod = createPod({ calls: 10_000 });
    const { budget } = pod.startRun();
    pod.countCalls(budget, 17);
    expect(pod.countWrites()).toBe(1);
    expect(pod.files.get('agent')).toMatchObject([{ task: 'summarize', counts: { calls: 17 } }]);
    pod.countCalls(budget, 1);
    expect(pod.countWrites()).toBe(2);
  });

  it('uses nothing that could not be stored', () => {
    const pod = createPod({ calls: 10 });
    const { budget } = pod.startRun();
    pod.fillVolume();
    expect(budget.beginCall()).toMatchObject({ code: 'budget_exceeded' });
    expect(pod.budgets().findRefusal('summarize')).toBeDefined();
  });

  it('limits no task whose keys leave the sidecar', () => {
    expect(() => createPod({ calls: 1 }, 'vend').startRun()).toThrow('expected a budget');
  });

  it('shows the used share of the run that has used most', () => {
    const pod = createPod({ calls: 10, denials: 4 });
    pod.countCalls(pod.startRun().budget, 2);
    const { budget } = pod.startRun();
    pod.countCalls(budget, 5);
    budget.take('denials', 1);
    expect(pod.budgets().listShares()).toEqual([
      { task: 'summarize', kind: 'calls', ratio: 0.5 },
      { task: 'summarize', kind: 'denials', ratio: 0.25 },
    ]);
  });
});
